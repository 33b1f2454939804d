"""Does the model react to what its maps point at more than copies that have learnt nothing do?

A network with random weights, too, has maps, and they may well follow its own arithmetic: a rank by
deletion passes them. So the trained network is ranked among 19 copies of itself with shuffled
weights, each explained by its own maps. If the network has learnt nothing, it is one more shuffle
of the same values and as likely to be first as each of the copies: p is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.attention import leading_map, one_pass
from audits.explanations.cams.engine import spatial_field
from audits.explanations.checks.deletion import pixel_ranks, shown_scale
from audits.explanations.checks.mappers import Mapper, mapper_for, on_pixels
from audits.explanations.checks.names import ONE_PASS
from audits.explanations.checks.shuffles import randomised_twin
from audits.explanations.pixels.occlusion import channel_mean, evaluate_variants, kept_or_filled
from audits.explanations.spaces import explained

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

COPIES = 19
POOL = 8
SCORED_HIGHEST = 3
"""Cases each network's reaction is averaged over: those of the pool that it scores highest."""
SHARES = (0.05, 0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """How much a model's score follows its maps, among copies that have learnt nothing.

    Attributes:
        own: The model's reaction.
        copies: Those of the copies that were looked at.
    """

    own: float
    copies: tuple[float, ...]

    @property
    def first(self) -> bool:
        """Return whether the model reacts more than every copy (p = .05)."""
        return self.own > max(self.copies)

    @property
    def text(self) -> str:
        """Return both in words."""
        return (
            f"without what its maps rank first rather than last the score falls by {self.own:.3g}, "
            f"that of {len(self.copies)} copies with shuffled weights by at most "
            f"{max(self.copies):.3g}"
        )


def learnt(
    adapter: ModelAdapter,
    method: str,
    outputs: Sequence[int],
    cases: Mapping[str, Any],
    *,
    seed: int = 0,
) -> tuple[Learnt | None, ...]:
    """Rank a model's reaction to its own maps among that of shuffled copies to theirs.

    Methods that cost many passes are judged by the maps of one pass: what is asked is about the
    model. Copies are tried until one reacts as much.

    Args:
        adapter: The model.
        method: The map method.
        outputs: Which outputs.
        cases: Prepared cases; the first eight are used.
        seed: Seed of the shuffles.

    Returns:
        An entry per output; None where the model has no probability, no weights or no map of one
        pass.
    """
    cheap = method if method in ONE_PASS else leading_map(adapter)
    own = _one_pass(adapter, cheap, outputs)
    if adapter.output.space not in {"logit", "probability"} or own is None:
        return (None,) * len(outputs)
    few = {name: value[:POOL] for name, value in cases.items()}
    places = list(range(len(outputs)))
    ours = reactions(adapter, own(few), outputs, places, few)
    theirs: dict[int, list[float]] = {place: [] for place in places}
    for number in range(COPIES):
        open_ones = [place for place in places if ours[place] > max(theirs[place], default=-1.0)]
        twin = randomised_twin(adapter, seed + number) if open_ones else None
        mapper = None if twin is None else _one_pass(twin, cheap, outputs)
        if twin is None or mapper is None:
            break
        for place, value in reactions(twin, mapper(few), outputs, open_ones, few).items():
            theirs[place].append(value)
    return tuple(
        Learnt(own=ours[place], copies=tuple(theirs[place])) if theirs[place] else None
        for place in places
    )


def _one_pass(adapter: ModelAdapter, method: str, outputs: Sequence[int]) -> Mapper | None:
    """Return the maps of some outputs by a method of one pass; None where the model has none."""
    if not {"grad", "layers"} <= adapter.caps:
        return None
    if one_pass(adapter, method).fallback is not None:
        return None
    return mapper_for(adapter, method, outputs)


def reactions(
    adapter: ModelAdapter,
    maps: npt.NDArray[np.float32],
    outputs: Sequence[int],
    places: Sequence[int],
    cases: Mapping[str, Any],
) -> dict[int, float]:
    """Return how much more scores fall without what their maps rank first than without the last.

    The area between the curves of deletion, least and most relevant first (Samek et al., IEEE
    TNNLS 28, 2017), on the probability scale, averaged over the cases that score highest. Shuffled
    weights may overflow: a score that is no number has not moved.

    Args:
        adapter: The model.
        maps: Its maps, (cases, outputs, *grid).
        outputs: Which outputs those are.
        places: Which of them are wanted.
        cases: Prepared cases.
    """
    field, kind = spatial_field(adapter), adapter.output
    scores = shown_scale(explained(adapter.predict(cases), kind.space), kind)
    found = {}
    for place in places:
        rows = np.argsort(-np.nan_to_num(scores[:, outputs[place]]), kind="stable")
        areas = [
            _area_between(
                adapter,
                {name: value[row : row + 1] for name, value in cases.items()},
                field,
                np.nan_to_num(maps[row, place]),
                outputs[place],
            )
            for row in rows[:SCORED_HIGHEST].tolist()
        ]
        found[place] = float(np.mean(areas))
    return found


def _area_between(
    adapter: ModelAdapter,
    case: Mapping[str, Any],
    field: str,
    native: npt.NDArray[np.floating],
    output: int,
) -> float:
    image = case[field][0]
    ranks = pixel_ranks(on_pixels(native, image.shape[1:]))
    kept = [ranks >= share for share in SHARES] + [ranks < 1 - share for share in SHARES]
    fill = channel_mean(image)
    values = evaluate_variants(
        adapter,
        case,
        field,
        range(len(kept)),
        lambda number: kept_or_filled(image, fill, kept[number]),
    )
    curve = np.nan_to_num(shown_scale(values, adapter.output)[:, output])
    return float(curve[len(SHARES) :].mean() - curve[: len(SHARES)].mean())
