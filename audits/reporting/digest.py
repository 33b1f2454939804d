"""Exports that carry the sha256 of themselves.

The digest is computed with zeros in its own place, so that any other byte that changes is
noticed. It stands where a format keeps such words: keywords of a PDF (twice, uncompressed), a meta
tag of HTML, a comment in XML, Markdown and zip archives (XLSX among them), the identifier of a
FHIR bundle, and ``digest`` in ``evidence.json``. A folder of DICOM objects lists the sha256 of
each file in ``SHA256SUMS``.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from audits.errors import StoreError
from audits.storage.canonical import file_sha256
from audits.storage.verify import Verification

PREFIX = "auscult-sha256-"
PLACEHOLDER = PREFIX + "0" * 64
SUMS = "SHA256SUMS"
_DIGEST = re.compile(PREFIX.encode() + rb"[0-9a-f]{64}")
_LIKE_ONE = re.compile(rb"(?s)(?=(.{%d})[0-9a-f]{64})" % len(PREFIX))
_END_OF_ARCHIVE = struct.Struct("<4s4H2LH")
_SUM = re.compile(r"([0-9a-f]{64})  ([^/\n]+)\n")
_PDF = b"%PDF-"
_PDF_PLACES = 2


def with_digest(data: bytes, places: int = 1) -> bytes:
    """Return a file made with :data:`PLACEHOLDER` in it, with its digest in that place.

    Args:
        data: The file.
        places: How often the placeholder stands in it.

    Raises:
        StoreError: The placeholder is not where it must be.
    """
    blank = PLACEHOLDER.encode()
    if data.count(blank) != places:
        raise StoreError(
            f"report: expected the digest in {places} places, found {data.count(blank)}; "
            "install the versions of libraries that constraints.txt names."
        )
    return data.replace(blank, PREFIX.encode() + hashlib.sha256(data).hexdigest().encode())


def archive_with_digest(data: bytes) -> bytes:
    """Return a zip archive without a comment, with its digest as comment.

    Raises:
        StoreError: The archive has a comment already.
    """
    *_, size = _END_OF_ARCHIVE.unpack(data[-_END_OF_ARCHIVE.size :])
    if size:
        raise StoreError("report: the archive holds a comment already; make it without one.")
    comment = PLACEHOLDER.encode()
    return with_digest(data[:-2] + struct.pack("<H", len(comment)) + comment)


def is_intact(data: bytes) -> bool:
    """Return whether no byte of an export was altered.

    Raises:
        StoreError: The file carries no digest, so nobody can tell.
    """
    places = _PDF_PLACES if data.startswith(_PDF) else 1
    found = _DIGEST.findall(data)
    if not found and not carries_digest(data):
        raise StoreError("carries no digest of Auscult; name a file that `auscult report` wrote.")
    if len(found) != places or len(set(found)) != 1:
        return False
    digest = found[0].removeprefix(PREFIX.encode()).decode()
    blank = data.replace(found[0], PLACEHOLDER.encode())
    return bool(hashlib.sha256(blank).hexdigest() == digest)


def carries_digest(data: bytes) -> bool:
    """Return whether a digest stands in a file, be it damaged: all but one letter of its name."""
    if PREFIX.encode() in data:
        return True
    wanted = PREFIX.encode()
    return any(
        sum(a != b for a, b in zip(one.group(1), wanted, strict=True)) == 1
        for one in _LIKE_ONE.finditer(data)
    )


def verify_export(path: Path | str) -> Verification:
    """Compare an exported file with the digest that it carries.

    Raises:
        StoreError: The file carries no digest, so it is no export or was made before exports did.
    """
    file = Path(path)
    try:
        intact = is_intact(file.read_bytes())
    except StoreError as error:
        raise StoreError(f"{file}: {error}") from error
    return Verification(files=1, altered=() if intact else (file.name,))


def sums_of(folder: Path) -> str:
    """Return ``SHA256SUMS`` of the files of a folder, as ``sha256sum -c`` reads it."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    return "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names)


def verify_folder(folder: Path) -> Verification:
    """Compare the files of an exported folder with its ``SHA256SUMS``.

    Raises:
        StoreError: The list cannot be read.
    """
    try:
        listed = (folder / SUMS).read_bytes().decode(errors="replace")
    except OSError as error:
        raise StoreError(f"{folder / SUMS}: cannot be read ({error.strerror}).") from error
    sums: Mapping[str, str] = {name: digest for digest, name in _SUM.findall(listed)}
    if "".join(f"{digest}  {name}\n" for name, digest in sums.items()) != listed or not sums:
        return Verification(files=len(sums), altered=(SUMS,))
    present = {path.name for path in folder.iterdir()} - {SUMS}
    return Verification(
        files=len(sums),
        altered=tuple(n for n in sums if n in present and file_sha256(folder / n) != sums[n]),
        missing=tuple(n for n in sums if n not in present),
        added=tuple(sorted(present - set(sums))),
    )
