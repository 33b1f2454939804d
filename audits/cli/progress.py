"""Progress: a bar on a terminal, plain lines otherwise, a file for jobs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audits.types import Progress

_BAR = 28
_EVERY_SECONDS = 0.1
_LINE_STEP = 0.1


class Bar:
    """A bar that redraws one line of the terminal."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, share: float, message: str) -> None:
        """Redraw, at most ten times a second."""
        now = time.monotonic()
        if share < 1 and now - self._last < _EVERY_SECONDS:
            return
        self._last = now
        full = round(min(max(share, 0.0), 1.0) * _BAR)
        line = f"{'█' * full}{'░' * (_BAR - full)} {share:4.0%}  {message}"
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[2K{line[:width]}")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the terminal as it was."""
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()


class Lines:
    """A line whenever the step changes or a tenth more is done."""

    def __init__(self) -> None:
        self._message = ""
        self._next = 0.0

    def __call__(self, share: float, message: str) -> None:
        """Write a line if there is news."""
        if message == self._message and share < self._next:
            return
        self._message = message
        self._next = share + _LINE_STEP
        sys.stderr.write(f"{share:4.0%} {message}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Do nothing: the lines stay."""


class ProgressFile:
    """The last state as JSON in a file, replaced whole so that a reader never sees a part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._last = 0.0

    def __call__(self, share: float, message: str) -> None:
        """Write the state, at most ten times a second."""
        now = time.monotonic()
        if share < 1 and now - self._last < _EVERY_SECONDS:
            return
        self._last = now
        self._part.write_text(json.dumps({"share": share, "message": message}), encoding="utf-8")
        self._part.replace(self._path)

    def close(self) -> None:
        """Do nothing: the last state stays."""


@contextmanager
def progress_to(path: Path | None = None) -> Iterator[Progress]:
    """Give a progress function that suits where the command runs.

    Args:
        path: File for the progress of a job; without it a bar or lines on stderr.
    """
    reporter = _reporter(path)
    try:
        yield reporter
    finally:
        reporter.close()


def _reporter(path: Path | None) -> Bar | Lines | ProgressFile:
    if path is not None:
        return ProgressFile(path)
    return Bar() if sys.stderr.isatty() else Lines()
