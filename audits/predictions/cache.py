"""Predictions kept by the hash of everything they depend on, so that nothing is run twice."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audits.cohorts import Study
from audits.types import Finding, Skipped
from model_adapters.base import ModelAdapter

if TYPE_CHECKING:
    from audits.explanations.cams.engine import MapEngine

SCHEMA = 1
"""Raised whenever the same inputs would give other numbers than an older version's."""

FOLDER = "predictions"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """What is kept: scores, maps and the words about them."""

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    precomputed: npt.NDArray[np.bool_]
    map_rows: npt.NDArray[np.int64]
    maps: npt.NDArray[np.float32]
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]


def entry_sha256(study: Study, adapter: ModelAdapter, maps: MapEngine | None) -> str:
    """Hash what the scores depend on: weights, manifest, study and split, method, device."""
    said = {
        "schema": SCHEMA,
        "weights": adapter.card.weights_sha256,
        "manifest": adapter.card.manifest_sha256,
        "study": study.sha256,
        "maps": None if maps is None else [maps.method, maps.layer, maps.field],
        "device": adapter.device,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def load_entry(cache: Path, sha256: str) -> Entry | None:
    """Return an entry, or None where there is none or it is damaged."""
    try:
        with _path(cache, sha256).open("rb") as file, np.load(file, allow_pickle=False) as data:
            words = json.loads(str(data["words"]))
            return Entry(
                rows=data["rows"],
                scores=data["scores"],
                precomputed=data["precomputed"],
                map_rows=data["map_rows"],
                maps=data["maps"],
                skipped=tuple(Skipped(**one) for one in words["skipped"]),
                findings=tuple(Finding(**one) for one in words["findings"]),
            )
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        return None


def save_entry(cache: Path, sha256: str, entry: Entry) -> None:
    """Write an entry beside its final place and move it there, so that no reader meets half."""
    target = _path(cache, sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    words: dict[str, Any] = {
        "skipped": [one.to_dict() for one in entry.skipped],
        "findings": [one.to_dict() for one in entry.findings],
    }
    with NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            np.savez(
                file,
                rows=entry.rows,
                scores=entry.scores,
                precomputed=entry.precomputed,
                map_rows=entry.map_rows,
                maps=entry.maps,
                words=np.array(json.dumps(words)),
            )
            file.flush()
            os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _path(cache: Path, sha256: str) -> Path:
    return cache / FOLDER / f"{sha256}.npz"
