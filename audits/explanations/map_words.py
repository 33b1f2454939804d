"""What the colours of a map mean and in which unit: the same words on the page and in pictures."""

from __future__ import annotations

from collections.abc import Mapping

OWN_UNITS = {
    "eigencam": "activation",
    "residual": "squared error",
}
"""Units of the maps that are on no scale of the score."""

MEANINGS = {
    "eigencam": ("what the layer answers most", "the opposite; neither says what moved this score"),
    "residual": ("where the reconstruction is worst", "no error"),
    "smoothgrad": ("where a brighter pixel raises the score", "where it lowers it"),
}
"""What high and low values are, for the methods whose values are no effects on the score."""


def map_unit(method: str, score: Mapping[str, float | None]) -> str:
    """Return the unit of a map's values in a word or two, for its legend.

    Args:
        method: How the map was made.
        score: The explained score, as ``explanation.json`` holds it.
    """
    own = OWN_UNITS.get(method)
    if own is not None:
        return own
    unit = "logits" if score.get("value") is None else "units of the score"
    return f"{unit} per unit of the input" if method == "smoothgrad" else unit


def map_meaning(method: str) -> tuple[str, str]:
    """Return what high and what low values of a map stand for."""
    return MEANINGS.get(method, ("raised the score", "lowered it"))
