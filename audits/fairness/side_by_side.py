"""Families and outputs measured beside each other, on as many threads as there are cores.

NumPy leaves the interpreter's lock while it sums and sorts, so threads help where arrays are long;
below that the lock is what they would wait for. Linear algebra is held to one thread in each, or
its own threads would wait for one another. Each task works on its own: results do not depend on
the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

T = TypeVar("T")

MIN_ROWS = 50_000
"""Rows from which threads are worth their start."""
MOST_THREADS = 4
"""More would cost memory: each holds the rows of its family several times over."""


def side_by_side(
    tasks: Sequence[Callable[[], T]],
    rows: int,
    *,
    most: int = MOST_THREADS,
    done: Callable[[float], object] | None = None,
) -> list[T]:
    """Return the result of every task, in order.

    Args:
        tasks: To be called once each; the last are started first, as crossings come last and
            take longest.
        rows: Rows that each works on.
        most: Threads at most.
        done: Told the finished share, from the calling thread.
    """
    threads = max(min(len(tasks), most, _cores()), 1) if rows >= MIN_ROWS else 1
    tell = done or (lambda _: None)
    if threads == 1:
        out = []
        for at, task in enumerate(tasks, 1):
            out.append(task())
            tell(at / len(tasks))
        return out
    from threadpoolctl import threadpool_limits

    pooled = ThreadPoolExecutor(threads, thread_name_prefix="auscult-family")
    with threadpool_limits(limits=1), pooled as pool:
        started = [pool.submit(task) for task in reversed(tasks)]
        try:
            for at, future in enumerate(as_completed(started), 1):
                future.result()
                tell(at / len(tasks))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in reversed(started)]


def _cores() -> int:
    """Return the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not say
        return os.cpu_count() or 1
