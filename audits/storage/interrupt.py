"""A polite end: a request to terminate unwinds the program instead of cutting it off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM).

    It is an interrupt, no ordinary exception, so code that skips a failing case does not
    swallow it.
    """


def _raise(_number: int, _frame: FrameType | None) -> None:
    # A second request must not cut the unwinding off.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


@contextmanager
def termination_unwinds() -> Iterator[None]:
    """Turn SIGTERM into :class:`Terminated` while the block runs.

    Does nothing outside the main thread or where somebody else already handles the signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
