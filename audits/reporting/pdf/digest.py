"""A PDF that carries the sha256 of itself.

The digest stands in the keywords of the document, twice and uncompressed. It is computed with
zeros in its own place, so that any other byte that changes is noticed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from audits.errors import StoreError
from audits.storage.verify import Verification

PREFIX = "auscult-sha256-"
PLACEHOLDER = PREFIX + "0" * 64
_PLACES = 2
_DIGEST = re.compile(PREFIX.encode() + rb"[0-9a-f]{64}")


def with_digest(pdf: bytes) -> bytes:
    """Return a PDF made with :data:`PLACEHOLDER` as keyword, with its digest in place.

    Raises:
        StoreError: The placeholder is not where it must be.
    """
    blank = PLACEHOLDER.encode()
    if pdf.count(blank) != _PLACES:
        raise StoreError(
            f"PDF: expected the digest in {_PLACES} places, found {pdf.count(blank)}; "
            "install the version of typst that constraints.txt names."
        )
    return pdf.replace(blank, PREFIX.encode() + hashlib.sha256(pdf).hexdigest().encode())


def is_intact(pdf: bytes) -> bool:
    """Return whether no byte of an exported PDF was altered.

    Raises:
        StoreError: The file carries no digest, so nobody can tell.
    """
    found = _DIGEST.findall(pdf)
    if not found and PREFIX.encode() not in pdf:
        raise StoreError(
            "PDF: carries no digest of Auscult; name a file that `auscult report` wrote."
        )
    if len(found) != _PLACES or len(set(found)) != 1:
        return False
    digest = found[0].removeprefix(PREFIX.encode()).decode()
    blank = pdf.replace(found[0], PLACEHOLDER.encode())
    return bool(hashlib.sha256(blank).hexdigest() == digest)


def verify_pdf(path: Path | str) -> Verification:
    """Compare an exported PDF with the digest that it carries.

    Raises:
        StoreError: The file is no PDF or carries no digest.
    """
    file = Path(path)
    data = file.read_bytes()
    if not data.startswith(b"%PDF-"):
        raise StoreError(
            f"{file}: expected a run folder or an exported PDF, found another file; check the path."
        )
    return Verification(files=1, altered=() if is_intact(data) else (file.name,))
