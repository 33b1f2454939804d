"""One order of keys, so that how a dictionary grew in memory cannot show in an export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audits.storage.canonical import canonical_json


def in_order(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence as ``evidence.json`` would be read."""
    read: dict[str, Any] = json.loads(canonical_json(evidence))
    return read
