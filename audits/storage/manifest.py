"""The list of a run's files and their hashes, which also carries its own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from audits.errors import StoreError
from audits.storage.canonical import canonical_json, sha256_of

MANIFEST = "manifest.json"
SCHEMA_VERSION = "1.0"


def manifest_bytes(hashes: Mapping[str, str]) -> bytes:
    """Return ``manifest.json``: each file's sha256, and the sha256 of that list."""
    body = {"schema_version": SCHEMA_VERSION, "files": dict(hashes)}
    return canonical_json({**body, "sha256": sha256_of(body)})


def read_manifest(data: bytes) -> dict[str, str]:
    """Return file name to sha256 from the bytes of ``manifest.json``.

    Raises:
        StoreError: A single byte differs from what was written.
    """
    broken = StoreError(f"{MANIFEST}: altered; restore it from the original run.")
    try:
        manifest = json.loads(data)
        files = manifest["files"]
        hashes = {str(k): str(v) for k, v in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken from error
    if manifest_bytes(hashes) != data:
        raise broken
    return hashes
