"""One way to write a result as bytes, so that equal results have equal hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from audits.errors import StoreError

_CHUNK = 1 << 20


def _plain(value: Any) -> Any:
    """Turn a numpy scalar or array into plain data; json calls this for what it does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no plain data")


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as canonical JSON.

    Keys are sorted, text is UTF-8 as it stands, nothing is indented and floats keep every digit
    (the shortest text that reads back to the same float64).

    Args:
        value: Dictionaries with text keys, lists, text, numbers, booleans and None; numpy
            scalars and arrays are taken as their plain values.

    Raises:
        StoreError: A number is NaN or infinite, or a value is no plain data.
    """
    try:
        text = json.dumps(
            value,
            sort_keys=True,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            default=_plain,
        )
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"result: cannot be written as JSON ({error}); "
            "undefined numbers must be null with a reason."
        ) from error
    return text.encode() + b"\n"


def sha256_of(value: Any) -> str:
    """Return the sha256 of the canonical JSON of ``value``, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex, reading it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
