"""Records that people add to a finished run: an append-only chain beside the manifest.

A run is never edited. What people say of it later lies in ``signoff/0001.json``, ``0002.json``
and so on; each holds the hash of the record before it, the first that of ``manifest.json``, and
its own. So a changed byte, a gap and an exchanged record show; a cut at the end shows in every
report that was filed with a later record, and in nothing else unless a key of the site signs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.errors import StoreError
from audits.storage.canonical import canonical_json, file_sha256, sha256_of
from audits.storage.manifest import MANIFEST

FOLDER = "signoff"
_NAME = re.compile(r"\d{4}\.json")
_LAST = 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One record of the chain.

    Attributes:
        name: File name, relative to the run folder.
        sha256: Hash of the record, which the next one holds.
        previous: Hash of the record before it, or of ``manifest.json``.
        record: What was said, with its ``kind``.
    """

    name: str
    sha256: str
    previous: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """What differs in the chain from what was written.

    Attributes:
        files: Every file that the chain accounts for.
        altered: Records and filed reports whose bytes changed.
        missing: Records and filed reports that are gone.
    """

    files: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def read_chain(run: Path) -> tuple[Link, ...]:
    """Return the records of a run in order; none where nobody added any.

    Raises:
        StoreError: A record was altered, exchanged or removed.
    """
    state = check_chain(run)
    broken = [*state.altered, *state.missing]
    if broken:
        raise StoreError(
            f"{run}: {', '.join(broken)} is not as it was written; restore the sign-off records "
            "from a copy and check with `auscult verify`."
        )
    return tuple(link for path in _records(run) if (link := _link(path)) is not None)


def append(run: Path, records: Sequence[Mapping[str, Any]]) -> tuple[Link, ...]:
    """Add records after the last one, each whole or not at all, and return the chain.

    Raises:
        StoreError: The chain is broken, the folder cannot be written, or somebody else added a
            record meanwhile.
    """
    links = list(read_chain(run))
    for record in records:
        previous = links[-1].sha256 if links else file_sha256(run / MANIFEST)
        link = _made(len(links) + 1, previous, record)
        _write_new(run / link.name, _bytes(link))
        links.append(link)
    return tuple(links)


def next_link(run: Path, links: Sequence[Link], record: Mapping[str, Any]) -> Link:
    """Return the link that a record would become after ``links``; nothing is written."""
    previous = links[-1].sha256 if links else file_sha256(run / MANIFEST)
    return _made(len(links) + 1, previous, record)


def write_beside(run: Path, name: str, data: bytes) -> str:
    """Write a filed report into the run's sign-off folder and return its relative name.

    A file that a failed filing left behind is replaced; one that a record names is refused.

    Raises:
        StoreError: A record names the file, or the folder cannot be written.
    """
    relative = f"{FOLDER}/{name}"
    if relative in check_chain(run).files:
        raise StoreError(f"{run / relative}: is filed and cannot be written again; supersede it.")
    (run / relative).unlink(missing_ok=True)
    _write_new(run / relative, data)
    return relative


def check_chain(run: Path) -> ChainState:
    """Compare the records of a run with one another, and filed reports with their records."""
    paths = _records(run)
    altered: list[str] = []
    names: list[str] = []
    last = int(paths[-1].stem) if paths else 0
    missing = [_name(at) for at in range(1, last + 1) if not (run / _name(at)).exists()]
    before: str | None = file_sha256(run / MANIFEST) if (run / MANIFEST).is_file() else None
    for path in paths:
        name = f"{FOLDER}/{path.name}"
        names.append(name)
        link = _link(path)
        if link is None:
            altered.append(name)
            before = None
            continue
        if before is not None and link.previous != before and not missing:
            # Both are whole, so what came before is not what this record followed.
            at = int(path.stem)
            altered.append(MANIFEST if at == 1 else _name(at - 1))
        before = link.sha256
        for filed, digest in dict(link.record.get("files") or {}).items():
            names.append(filed)
            if not (run / filed).exists():
                missing.append(filed)
            elif (run / filed).is_symlink() or file_sha256(run / filed) != digest:
                altered.append(filed)
    return ChainState(files=tuple(names), altered=tuple(altered), missing=tuple(missing))


def _records(run: Path) -> list[Path]:
    folder = run / FOLDER
    return sorted(p for p in folder.glob("*.json") if _NAME.fullmatch(p.name))


def _name(at: int) -> str:
    return f"{FOLDER}/{at:04d}.json"


def _made(at: int, previous: str, record: Mapping[str, Any]) -> Link:
    if at > _LAST:
        raise StoreError(
            f"sign-off: {_LAST} records are the most that a run takes; make a new run."
        )
    body = {"record": dict(record), "previous": previous, "at": at}
    return Link(name=_name(at), sha256=sha256_of(body), previous=previous, record=dict(record))


def _bytes(link: Link) -> bytes:
    at = int(Path(link.name).stem)
    body = {"record": dict(link.record), "previous": link.previous, "at": at}
    return canonical_json({**body, "sha256": link.sha256})


def _link(path: Path) -> Link | None:
    """Return a record, or None where a byte of it differs from what was written."""
    if path.is_symlink():
        return None
    data = path.read_bytes()
    try:
        held = json.loads(data)
        link = _made(int(path.stem), str(held["previous"]), held["record"])
    except (ValueError, KeyError, TypeError):
        return None
    return link if _bytes(link) == data else None


def _write_new(target: Path, data: bytes) -> None:
    """Write a file that is not there yet, so that of two writers one is refused."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(exist_ok=True)
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(part, target)
    except FileExistsError as error:
        raise StoreError(
            f"{target}: somebody else signed at the same moment; look at the run again and repeat."
        ) from error
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror}); check the folder's permissions."
        ) from error
    finally:
        part.unlink(missing_ok=True)
