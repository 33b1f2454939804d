"""Content hashes: what exactly was audited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

_CHUNK = 1 << 20
_known: dict[tuple[str, int, int], str] = {}


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content.

    Remembered within the process for as long as path, size and time of change are the same.
    """
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _known:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        _known[key] = digest.hexdigest()
    return _known[key]


def manifest_sha256(folder: Path, names: Iterable[str], *, extra: str = "") -> str:
    """Hash a set of files of a folder by name and content.

    Args:
        folder: Folder the names are relative to.
        names: Files or folders (then every file in them); one that is missing counts as missing.
        extra: Further text that makes two uses of the same files different.
    """
    lines = [f"{extra}\n"]
    for name in sorted(set(names)):
        for file in _files(folder / name):
            shown = file.relative_to(folder).as_posix()
            content = file_sha256(file) if file.is_file() else "missing"
            lines.append(f"{shown}\0{content}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path]


def frame_sha256(frame: pd.DataFrame) -> str:
    """Hash a table that has no file, by column names and values, whatever its index."""
    digest = hashlib.sha256("\0".join(map(str, frame.columns)).encode())
    for name in frame.columns:
        plain = frame[name].astype(object) if frame[name].dtype == "category" else frame[name]
        digest.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
    return digest.hexdigest()
