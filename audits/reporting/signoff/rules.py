"""What stands in the way of a final report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audits.reporting.release import restrict
from audits.reporting.signoff.filing import Filing, blank_fields
from audits.reporting.signoff.state import ROLES
from audits.storage.canonical import canonical_json
from audits.storage.run import Run

_MASKED = ("study", "skipped", "outputs", "explanations", "shortcuts", "comparison", "data_quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacles:
    """Why a report cannot be finalised.

    Attributes:
        blank: Required fields without a text and without a reason.
        unsigned: Roles that have not signed the report as it stands.
        suppression: Where the restricted release shows what it must mask.
    """

    blank: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    suppression: tuple[str, ...] = ()

    @property
    def none(self) -> bool:
        """Return whether nothing stands in the way."""
        return not (self.blank or self.unsigned or self.suppression)

    def told(self) -> str:
        """Return all of it in one sentence."""
        parts = []
        if self.blank:
            parts.append(f"required fields are blank ({', '.join(self.blank)})")
        if self.unsigned:
            names = ", ".join(ROLES[role].lower() for role in self.unsigned)
            parts.append(f"signatures are missing ({names})")
        if self.suppression:
            parts.append(f"small counts are not masked ({', '.join(self.suppression)})")
        return "; ".join(parts)


def obstacles(run: Run, filing: Filing, *, suppression: tuple[str, ...] | None = None) -> Obstacles:
    """Return what stands in the way of finalising the report of a run.

    Args:
        run: The run.
        filing: How it is filed now.
        suppression: What :func:`suppression_failures` found, where that is known already.
    """
    failures = tuple(suppression_failures(run)) if suppression is None else suppression
    return Obstacles(
        blank=tuple(blank_fields(run.evidence, filing)),
        unsigned=tuple(role for role in ROLES if role not in filing.signoff.attestations),
        suppression=failures,
    )


def suppression_failures(run: Run) -> Iterator[str]:
    """Yield the parts of a restricted release that differ from a fresh masking of the counts.

    An internal release shows exact counts on purpose and stays on the site, so it has none.
    """
    evidence = run.evidence
    if evidence["release"] != "restricted":
        return
    cell = int(evidence["policy"].get("suppression", {}).get("cell", 10))
    due: Mapping[str, Any] = restrict(run.exact, cell=cell)
    for part in _MASKED:
        if canonical_json(due[part]) != canonical_json(evidence[part]):
            yield part
