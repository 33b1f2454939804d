"""Options of further tasks, as people give them on the command line and in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from audits.cohorts.spec import StaysSection
from audits.cohorts.task_columns import MEASURES, StayNames, TaskNames
from audits.errors import AuditError


def task_names(  # noqa: PLR0913 - every column that a task may read
    *,
    weight: str | None = None,
    time: str | None = None,
    measures: Mapping[str, str] | None = None,
    image: str | None = None,
    stays: Mapping[str, Any] | StaysSection | None = None,
    acquired: str | None = None,
    site: str | None = None,
) -> TaskNames:
    """Return which columns further tasks read.

    Raises:
        AuditError: A measurement or a key of ``stays`` is not known.
    """
    for metric in measures or {}:
        if metric not in MEASURES:
            raise AuditError(
                f"{metric!r} is no measurement of a segmentation; name one of "
                f"{', '.join(MEASURES)}."
            )
    return TaskNames(
        time=time,
        weight=weight,
        measures=dict(measures or {}),
        image=image,
        stays=None if stays is None else stay_names(stays),
        acquired=acquired,
        site=site,
    )


def stay_names(stays: Mapping[str, Any] | StaysSection) -> StayNames:
    """Return the columns of stays.

    Raises:
        AuditError: A key is missing, not known, or of the wrong kind.
    """
    if not isinstance(stays, StaysSection):
        try:
            stays = StaysSection.model_validate(dict(stays))
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(str(part) for part in first["loc"])
            raise AuditError(
                f"stays.{at}: {first['msg'].lower()}; give stay, at, event and window, and silence "
                "or unit (min, h, d) where they differ from 0 and h."
            ) from None
    return StayNames(**stays.model_dump())


def label_or_event(
    label: str | Sequence[str] | None, event: str | None, time: str | None
) -> str | Sequence[str]:
    """Return the label columns: those named, else the event of a survival outcome.

    Raises:
        AuditError: The event is named without its time, or labels and event disagree.
    """
    if event is not None and time is None:
        raise AuditError(
            f"The event {event!r} is named without its time; name the column of the time (time)."
        )
    named = [label] if isinstance(label, str) else list(label or ())
    if event is None:
        return named
    others = [name for name in named if name not in (event, time)]
    if others:
        raise AuditError(
            f"The label {others[0]!r} is not the event {event!r}; of a survival outcome name the "
            "event alone."
        )
    return [event] * max(len(named), 1)
