"""Does a model read what it should not? Causal effects of removing a suspect, with verdicts."""

from audits.explanations.shortcuts.context import joined_context, shortcut_context
from audits.explanations.shortcuts.measure import measure_shortcuts
from audits.explanations.shortcuts.subject import MeasuredSuspect
from audits.explanations.shortcuts.verdicts import (
    DEFAULT_MARGIN,
    benjamini_hochberg,
    judge_shortcuts,
)

__all__ = [
    "DEFAULT_MARGIN",
    "MeasuredSuspect",
    "benjamini_hochberg",
    "joined_context",
    "judge_shortcuts",
    "measure_shortcuts",
    "shortcut_context",
]
