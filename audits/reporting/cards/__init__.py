"""Model cards: short forms of a run for those who pick models."""

from __future__ import annotations

from audits.reporting.cards.chai import chai_card
from audits.reporting.cards.markdown import model_card

__all__ = ["chai_card", "model_card"]
