"""Which models give maps from the very forward pass that scores a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_adapters.base import ModelAdapter

if TYPE_CHECKING:
    from audits.explanations.cams.engine import MapEngine

SPATIAL = ("image", "signal")


def one_pass_engine(adapter: ModelAdapter) -> MapEngine | None:
    """Return the engine of maps for the whole cohort where the model gives them in one pass.

    A fallback (occlusion) needs many passes a case, so it is left to the explained sample.
    """
    if not {"grad", "layers"} <= adapter.caps:
        return None
    if not any(f.modality in SPATIAL for f in adapter.inputs):
        return None
    from audits.explanations.attention import leading_engine

    engine = leading_engine(adapter)
    return engine if engine.fallback is None else None
