"""Stopping a run from outside."""

from __future__ import annotations

from collections.abc import Callable

from audits.errors import PackageError
from audits.types import Progress

Cancel = Callable[[], bool]
"""Asked between steps; True ends the run."""


class CancelledRun(PackageError):  # noqa: N818 - an end, not an error
    """The run was cancelled; nothing of it was written."""


def never() -> bool:
    """Cancel nothing."""
    return False


def stop_if(cancel: Cancel) -> None:
    """End the run if it is to be cancelled.

    Raises:
        CancelledRun: It is.
    """
    if cancel():
        raise CancelledRun("The run was cancelled; nothing was written.")


def part_of(progress: Progress, low: float, high: float) -> Progress:
    """Return a progress that fills the share from ``low`` to ``high`` of another."""

    def report(share: float, message: str) -> None:
        progress(low + (high - low) * min(max(share, 0.0), 1.0), message)

    return report
