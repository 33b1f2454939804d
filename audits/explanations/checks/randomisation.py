"""Does the map depend on what the model learnt? Its weights are shuffled and maps compared.

Rule of Arun et al. (Radiology: AI 3, 2021): a method passes if the similarity between maps of the
trained and the randomised model falls below the mean similarity of random pairs of maps of the
trained model (here of every pair). It needs no magic number. A network that has learnt nothing
passes it, because one shuffle is as unlike another as it is; :mod:`.learning` asks for that, and
both make one check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.explanations.checks.mappers import mapper_for, on_pixels
from audits.explanations.checks.names import ONE_PASS
from audits.explanations.checks.shuffles import randomised_twin
from audits.explanations.result import Check, Verdict

if TYPE_CHECKING:
    from audits.explanations.checks.learning import Learnt
    from model_adapters.base import ModelAdapter

NAME = "parameter_randomisation"
SHUFFLES = 5
"""One shuffle alone may come out alike by chance. Each maps every case where a map costs one pass,
else its share of the cases: five then cost no more than one."""
RESOLUTION = 48
WINDOW = 7
SMALLEST_SET = 4
# Constants of the structural similarity index for values in [-1, 1] (Wang et al., 2004).
C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2


def randomisation_checks(
    adapter: ModelAdapter,
    method: str,
    outputs: Sequence[int],
    cases: Mapping[str, Any],
    *,
    seed: int = 0,
) -> tuple[Check, ...]:
    """Compare maps of the trained model with maps of the same network with shuffled weights.

    Args:
        adapter: A model that can put another module in its place (``with_module``).
        method: The map method.
        outputs: Which outputs.
        cases: At least 4 prepared cases.
        seed: Seed of the shuffles.

    Returns:
        For each output the mean similarity, its baseline, and whether it falls below;
        ``not_checked`` for black boxes, for methods that cost too much to repeat, and for too few
        cases.
    """
    waiting = Check(name=NAME, value=None, null=None, verdict="not_checked")
    mapper = mapper_for(adapter, method, outputs)
    count = len(next(iter(cases.values())))
    if mapper is None or count < SMALLEST_SET:
        return (waiting,) * len(outputs)
    shuffled = []
    for number in range(min(SHUFFLES, count)):
        rows = slice(None) if method in ONE_PASS else slice(number, None, SHUFFLES)
        twin = randomised_twin(adapter, seed + number)
        other = None if twin is None else mapper_for(twin, method, outputs)
        if other is None:
            return (waiting,) * len(outputs)
        shuffled.append((rows, other({name: value[rows] for name, value in cases.items()})))
    trained = mapper(cases)
    if any(maps.shape != trained[rows].shape for rows, maps in shuffled):
        return (waiting,) * len(outputs)
    return tuple(
        _compared(trained[:, place], [(rows, maps[:, place]) for rows, maps in shuffled])
        for place in range(len(outputs))
    )


def _compared(
    trained: npt.NDArray[np.float32],
    shuffled: Sequence[tuple[slice, npt.NDArray[np.float32]]],
) -> Check:
    """Return the check of one output.

    Args:
        trained: Maps (cases, *grid) of the model.
        shuffled: Of each shuffle which cases it maps, and their maps.
    """
    if not trained.any():
        return Check(name=NAME, value=None, null=None, verdict="not_checked")
    ours = [normalised(one) for one in trained]
    similar = float(
        np.mean(
            [
                ssim(own, normalised(other))
                for rows, maps in shuffled
                for own, other in zip(ours[rows], maps, strict=True)
            ]
        )
    )
    baseline = float(np.mean([ssim(one, other) for one, other in combinations(ours, 2)]))
    verdict: Verdict = "reflects" if similar < baseline else "fails"
    return Check(name=NAME, value=similar, null=baseline, verdict=verdict)


def joined(check: Check, learning: Learnt | None) -> Check:
    """Return the check with what is known of the model's learning: *weak* where that is nothing.

    A copy with shuffled weights may reach the model by chance where no reference case shows the
    finding, so this alone does not fail the maps.
    """
    if learning is None:
        return check
    verdict = check.verdict if learning.first else "weak"
    return replace(check, verdict=verdict, detail=learning.text)


def ssim(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the mean structural similarity of two maps on [-1, 1] (Wang et al., 2004)."""
    from scipy.ndimage import uniform_filter

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(uniform_filter(values, WINDOW))

    mu_one, mu_other = mean(one), mean(other)
    var_one = mean(one * one) - mu_one**2
    var_other = mean(other * other) - mu_other**2
    covariance = mean(one * other) - mu_one * mu_other
    above = (2 * mu_one * mu_other + C1) * (2 * covariance + C2)
    below = (mu_one**2 + mu_other**2 + C1) * (var_one + var_other + C2)
    return float((above / below).mean())


def normalised(native: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return a map on a common fine grid, divided by its largest magnitude."""
    fine = on_pixels(native, [max(size, RESOLUTION) for size in native.shape]).astype(np.float64)
    largest = np.abs(fine).max()
    return np.asarray(fine / largest if largest > 0 else fine)
