"""Which case an export tells about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseQuestion:
    """One case of a run.

    Attributes:
        case: Id of the case, the study's pseudonym.
        model: ``id@version``; None for the first model of the run.
        output: Output; None for the one with the highest score.
        with_image: Whether the image itself may be shown.
    """

    case: str
    model: str | None = None
    output: str | None = None
    with_image: bool = False
