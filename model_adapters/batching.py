"""Batches sized to the memory at hand, halved when it runs out; results do not depend on them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from model_adapters.base import ModelAdapter, Prepared
from model_adapters.errors import AdapterError
from model_adapters.memory_probe import bytes_of_one_case

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

_SHARE = 0.25
_CPU_BUDGET = 512 * 2**20  # larger batches leave the caches and gain nothing
_UNKNOWN_MEMORY = 2 * 2**30
# Rows per batch that no memory size makes worth exceeding.
_MOST_IMAGES = {"cpu": 64}
_MOST_IMAGES_GPU = 1024
_MOST_ROWS = {"cpu": 8192}
_MOST_ROWS_GPU = 2**18
_MOST_ROWS_TREES = 2**16


def run_in_batches(
    work: Callable[[slice], T], n: int, *, batch_size: int
) -> Iterator[tuple[slice, T]]:
    """Run a function over consecutive slices of n cases, with smaller ones when memory runs out.

    After an out-of-memory error the same cases are tried again in halves, and the batches stay
    that small to the end. The caller may stop between two batches by not asking for the next.

    Args:
        work: Called with slices that cover 0 to n in order, each case once; it must leave nothing
            behind when it fails.
        n: Number of cases; 0 yields nothing.
        batch_size: Cases in the first batches, at least 1.

    Yields:
        Each slice with what ``work`` returned for it.

    Raises:
        AdapterError: If not even one case fits.

    Example:
        >>> [total for _, total in run_in_batches(lambda s: s.stop - s.start, 5, batch_size=2)]
        [2, 2, 1]
    """
    size = max(1, batch_size)
    start = 0
    while start < n:
        rows = slice(start, min(start + size, n))
        try:
            result = work(rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if rows.stop - rows.start == 1:
                msg = (
                    "device: memory ran out on a single case; close other programs, use a smaller "
                    "model, or run on a device with more memory."
                )
                raise AdapterError(msg) from error
            size = (rows.stop - rows.start) // 2
        else:
            yield rows, result
            start = rows.stop
            continue
        _release_memory()  # outside of except: the error's frames hold the tensors that filled it


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on any device or library."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "bad_alloc" in text
    )


def predict_batched(
    adapter: ModelAdapter, prepared: Prepared, *, batch_size: int | None = None
) -> npt.NDArray[np.float64]:
    """Predict any number of prepared cases within the memory at hand.

    Args:
        adapter: The model.
        prepared: What ``adapter.prepare`` returned for n cases.
        batch_size: Cases per batch; by default what :func:`batch_size_for` says.

    Returns:
        (n, outputs) in ``adapter.output.space``.

    Raises:
        AdapterError: If not even one case fits into memory.
    """
    n = count_rows(prepared)
    if n == 0:
        return np.zeros((0, len(adapter.output.names)))
    size = batch_size or batch_size_for(adapter, prepared)
    parts = run_in_batches(
        lambda rows: adapter.predict(take_rows(prepared, rows)), n, batch_size=size
    )
    return np.concatenate([part for _, part in parts])


def batch_size_for(adapter: ModelAdapter, prepared: Prepared, *, gradients: bool = False) -> int:
    """Return how many cases fit well into one batch, from a probe of the first one.

    Args:
        adapter: The model.
        prepared: At least one prepared case; one forward pass of it is measured for networks.
        gradients: Whether activations are kept for a backward pass.

    Returns:
        A batch size of at least 1.
    """
    images = any(field.modality == "image" for field in adapter.inputs)
    if "grad" not in adapter.caps:
        most = _MOST_IMAGES["cpu"] if images else _MOST_ROWS_TREES
    elif images:
        most = _MOST_IMAGES.get(adapter.device, _MOST_IMAGES_GPU)
    else:
        most = _MOST_ROWS.get(adapter.device, _MOST_ROWS_GPU)
    first = take_rows(prepared, slice(0, 1))
    lock = getattr(adapter, "lock", None) or nullcontext()
    with lock:
        needed = bytes_of_one_case(adapter, first, gradients=gradients)
    return int(max(1, min(most, memory_budget(adapter.device) // max(1, needed))))


def memory_budget(device: str) -> int:
    """Return the bytes one batch may take on a device: a share of what is free now."""
    if device == "cuda":
        import torch

        return int(_SHARE * 2 * torch.cuda.mem_get_info()[0])
    return int(min(_CPU_BUDGET, _SHARE * _free_memory()))


def count_rows(values: Mapping[str, Any]) -> int:
    """Return the number of cases of a raw or prepared batch."""
    return len(next(iter(values.values()))) if values else 0


def take_rows(
    values: Mapping[str, Any], rows: slice | Sequence[int] | npt.NDArray[np.intp]
) -> dict[str, Any]:
    """Return some cases of a raw or prepared batch, in the order asked for."""
    return {name: _take(value, rows) for name, value in values.items()}


def _take(value: Any, rows: slice | Sequence[int] | npt.NDArray[np.intp]) -> Any:
    if hasattr(value, "iloc"):
        frame: pd.DataFrame = value
        return frame.iloc[rows if isinstance(rows, slice) else list(rows)]
    if isinstance(value, (list, tuple)):
        return value[rows] if isinstance(rows, slice) else [value[row] for row in rows]
    return value[rows] if isinstance(rows, slice) else value[np.asarray(rows, dtype=np.intp)]


def _free_memory() -> int:
    """Return free bytes of the machine, or of the container if that is less."""
    free = _UNKNOWN_MEMORY
    names = getattr(os, "sysconf_names", {})
    pages = next((key for key in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES") if key in names), None)
    if pages is not None:
        free = os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return free
    return free if limit == "max" else min(free, max(0, int(limit) - int(used)))


def _release_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
