"""Whether a case's map is shown unasked: only where the model flags the case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audits.explanations.result import CaseExplanation

if TYPE_CHECKING:
    from model_adapters.base import ModelAdapter

DEFAULT_THRESHOLD = 0.5


def flagged(explanation: CaseExplanation, adapter: ModelAdapter) -> bool | None:
    """Return whether the score reaches the model's threshold; None where it is no probability.

    Args:
        explanation: Of one output of one case.
        adapter: The model; without a threshold of its own a half counts.
    """
    probability = explanation.score.probability
    if probability is None:
        return None
    thresholds = adapter.output.thresholds
    index = adapter.output.names.index(explanation.output)
    return probability >= (DEFAULT_THRESHOLD if thresholds is None else thresholds[index])
