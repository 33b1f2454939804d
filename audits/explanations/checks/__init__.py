"""Tests of a map itself: does it follow the model, is it stable, does it tell outputs apart?"""

from audits.explanations.checks.badge import CHECK_NAMES, badge, checked_map

__all__ = ["CHECK_NAMES", "badge", "checked_map"]
