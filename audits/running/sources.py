"""Are the data, models and policy that a run was made from still what its evidence names?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audits.cohorts import open_study
from audits.storage import Run
from audits.storage.canonical import file_sha256
from model_adapters.errors import PackageError
from model_adapters.manifest import read_manifest
from model_adapters.weights_file import verified_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """One thing that a run was made from.

    Attributes:
        name: What it is and where it lay.
        state: Whether it is as it was, differs, or can no longer be read.
    """

    name: str
    state: Literal["intact", "altered", "missing"]


def source_states(run: Run) -> Iterator[SourceState]:
    """Yield the state of the data, of each model and of the policy, by the hashes in the evidence.

    A policy that was no file stands in the evidence itself, and so do the versions of the code.

    Args:
        run: The run; its internal files say where everything lay.
    """
    info, evidence = run.info, run.evidence
    place = info.get("study") or info.get("predictions")
    if place:
        what = "study" if info.get("study") else "table"
        name = f"{what} {place}"
        yield SourceState(name=name, state=_data(Path(place), evidence["study"].get("sha256")))
    named = {f"{m['id']}@{m['version']}": m for m in evidence["models"]}
    for key, folder in (info.get("models") or {}).items():
        held = named.get(key, {})
        state = _model(Path(folder), held.get("manifest_sha256"), held.get("weights_sha256"))
        yield SourceState(name=f"model {key} {folder}", state=state)
    if info.get("policy"):
        held = evidence["declaration"].get("policy_sha256")
        state = _file(Path(info["policy"]), held)
        yield SourceState(name=f"policy {info['policy']}", state=state)


def _file(path: Path, wanted: str | None) -> Literal["intact", "altered", "missing"]:
    if not path.is_file():
        return "missing"
    return "intact" if file_sha256(path) == wanted else "altered"


def _data(path: Path, wanted: str | None) -> Literal["intact", "altered", "missing"]:
    if not path.is_dir():
        return _file(path, wanted)
    try:
        found = open_study(path).sha256
    except PackageError:
        return "altered"
    return "intact" if found == wanted else "altered"


def _model(
    folder: Path, manifest_sha256: str | None, weights_sha256: str | None
) -> Literal["intact", "altered", "missing"]:
    if not folder.exists():
        return "missing"
    try:
        manifest = read_manifest(folder)
        verified_bytes(manifest, "weights")
    except PackageError:
        return "altered"
    found = (manifest.sha256, manifest.card.weights_sha256)
    return "intact" if found == (manifest_sha256, weights_sha256) else "altered"
