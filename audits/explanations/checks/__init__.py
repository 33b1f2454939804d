"""Tests of an explanation itself: does it follow the model, is it stable, can it be told apart?"""

from audits.explanations.checks.badge import badge, checked
from audits.explanations.checks.names import MAP_CHECKS, VARIABLE_CHECKS

__all__ = ["MAP_CHECKS", "VARIABLE_CHECKS", "badge", "checked"]
