"""The report as plain blocks, made once from the evidence and rendered by every format."""

from __future__ import annotations

from audits.reporting.document.blocks import Document, Section
from audits.reporting.document.build import build_document

__all__ = ["Document", "Section", "build_document"]
