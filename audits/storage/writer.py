"""Writing a run: everything into a hidden sibling folder, then one rename."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from audits.errors import StoreError
from audits.storage.canonical import canonical_json, file_sha256, sha256_of
from audits.storage.interrupt import termination_unwinds
from audits.storage.manifest import MANIFEST, manifest_bytes
from audits.storage.run import open_run

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

LOCK = ".lock"
ROW_GROUP = 65_536
"""Rows of a table that are read together; one case costs one such group of one column."""


class RunWriter:
    """A run in the making; a context manager that leaves a whole run or nothing.

    Files go into ``.<name>.<token>.part`` beside ``out``. :meth:`commit` hashes them into
    ``manifest.json``, flushes everything to disk and renames the folder to ``out``. Leaving the
    block without commit, by an error, an interrupt or SIGTERM, removes the folder. Parts that
    a killed process left behind are swept when the same run is written again.

    Args:
        out: The run folder to make.
        displace: Move a run that is already there to ``<out>.<its id>`` when the new one is
            complete; without it an existing ``out`` is refused.

    Raises:
        StoreError: ``out`` exists, or its parent folder cannot be written.
    """

    def __init__(self, out: Path | str, *, displace: bool = False) -> None:
        self.out = Path(out).absolute()
        self._displace = displace
        self._stack = ExitStack()
        self._part: Path | None = None
        self._hashes: dict[str, str] = {}

    def __enter__(self) -> Self:
        if not self._displace:
            refuse_existing(self.out)
        with ExitStack() as stack:
            stack.enter_context(termination_unwinds())
            part = self.out.parent / f".{self.out.name}.{secrets.token_hex(4)}.part"
            stack.callback(shutil.rmtree, part, ignore_errors=True)
            try:
                self.out.parent.mkdir(parents=True, exist_ok=True)
                _sweep(self.out)
                part.mkdir()
                stack.callback(_release, _hold(part / LOCK))
            except OSError as error:
                raise StoreError(
                    f"{self.out}: a run cannot be written here ({error.strerror}); "
                    "choose another --out."
                ) from error
            self._part = part
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part = None
        self._stack.__exit__(kind, error, trace)

    def path(self, relative: str) -> Path:
        """Return where ``relative`` is being written, its parent folders made.

        A file written there directly must be announced with :meth:`add`.
        """
        if self._part is None:
            raise StoreError(f"{self.out}: the run is not open for writing; use `with RunWriter`.")
        target = self._part / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def write_bytes(self, relative: str, data: bytes) -> None:
        """Write one file, flushed to disk."""
        target = self.path(relative)
        with target.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self._hashes[relative] = file_sha256(target)

    def write_json(self, relative: str, value: Any) -> None:
        """Write canonical JSON."""
        self.write_bytes(relative, canonical_json(value))

    def write_table(self, relative: str, frame: pd.DataFrame) -> None:
        """Write a table as Parquet, without its index, in row groups that a page reads singly."""
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False, row_group_size=ROW_GROUP)
        self.write_bytes(relative, buffer.getvalue())

    def write_arrays(self, relative: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write arrays as an NPZ that loads without pickle.

        Not compressed: maps of floats shrink by a tenth at twenty times the cost of writing.
        """
        import numpy as np

        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **dict(arrays))
        self.write_bytes(relative, buffer.getvalue())

    def add(self, relative: str) -> None:
        """Announce a file, or every file below a folder, written at :meth:`path` directly."""
        target = self.path(relative)
        files = sorted(p for p in target.rglob("*") if p.is_file()) if target.is_dir() else [target]
        for file in files:
            _flush(file)
            name = file.relative_to(self.path(LOCK).parent).as_posix()
            self._hashes[name] = file_sha256(file)

    def internal_sha256(self) -> str:
        """Return the hash over all files under ``internal/``: of their names and hashes."""
        return internal_sha256(self._hashes)

    def commit(self) -> Path | None:
        """Seal the run and move it into place.

        Returns:
            Where the run that stood there before was moved to, or None.

        Raises:
            StoreError: Another run took the name meanwhile.
        """
        part = self.path(LOCK).parent
        self.write_bytes(MANIFEST, manifest_bytes(self._hashes))
        (part / LOCK).unlink(missing_ok=True)
        for folder in [*(p for p in part.rglob("*") if p.is_dir()), part]:
            _flush(folder)
        displaced = _move_aside(self.out) if self._displace else None
        refuse_existing(self.out)
        try:
            part.rename(self.out)
        except OSError as error:
            raise StoreError(
                f"{self.out}: cannot be put in place ({error.strerror}); choose another --out."
            ) from error
        _flush(self.out.parent)
        return displaced


def _move_aside(out: Path) -> Path | None:
    """Move a run to ``<out>.<its id>``; anything that is no run is left alone."""
    if not (out / "evidence.json").is_file():
        return None
    aside = out.with_name(f"{out.name}.{open_run(out).id}")
    refuse_existing(aside)
    out.rename(aside)
    return aside


def internal_sha256(hashes: Mapping[str, str]) -> str:
    """Return the hash of the names and hashes of the files under ``internal/``."""
    return sha256_of({k: v for k, v in hashes.items() if k.startswith("internal/")})


def refuse_existing(out: Path) -> None:
    """Refuse to write over anything.

    Raises:
        StoreError: ``out`` exists.
    """
    if out.exists() or out.is_symlink():
        raise StoreError(f"{out}: already exists; choose another --out or remove it first.")


def _flush(path: Path) -> None:
    with suppress(OSError):  # some file systems cannot flush a folder; the rename still holds
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _hold(lock: Path) -> int | None:
    """Lock a file for the life of this process; None where the system has no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _release(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _sweep(out: Path) -> None:
    """Remove parts of this run whose writer is gone: their lock can be taken."""
    for part in out.parent.glob(f".{out.name}.????????.part"):
        lock = part / LOCK
        if not lock.exists():
            continue
        descriptor = _hold(lock)
        if descriptor is not None:
            shutil.rmtree(part, ignore_errors=True)
            _release(descriptor)
