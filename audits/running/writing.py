"""From computed parts to a run folder, sealed and registered."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.cancel import Cancel, never, stop_if
from audits.reporting import AuditParts, build_evidence, restrict, seal
from audits.storage import (
    Run,
    RunRecord,
    RunWriter,
    Store,
    file_name_of,
    open_run,
    sha256_of,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from audits.explanations.result import CaseExplanation


SCORES_KEY = "scores"
"""Name of the predictions of a run without a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Internal:
    """What stays on site.

    Attributes:
        info: ``run.json``: command, absolute paths, content key.
        cases: One row per case: case_id, patient, ``label__NAME`` and ``group__NAME``.
        predictions: Scores per case, by model key.
        maps: Low-resolution maps, by model key.
        explanations: Explained cases, by model key.
        counts: Rows by group, label and score of a table that was read in portions, by output.
        effects: Effects of randomly drawn cases, long, by model key.
    """

    info: Mapping[str, Any]
    cases: pd.DataFrame
    predictions: Mapping[str, pd.DataFrame]
    maps: Mapping[str, Mapping[str, npt.NDArray[Any]]] = field(default_factory=dict)
    explanations: Mapping[str, Sequence[CaseExplanation]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, npt.NDArray[Any]]] = field(default_factory=dict)
    effects: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def now() -> datetime:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """Return a time as ISO 8601 with Z."""
    return moment.isoformat().replace("+00:00", "Z")


def new_run_id(moment: datetime) -> str:
    """Return an id that sorts by time and never repeats."""
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@cache
def auscult_version() -> str:
    """Return the installed version of Auscult."""
    return version("auscult")


def content_key(**made_from: Any) -> str:
    """Return the hash of everything a run is made from, the version of Auscult included."""
    return sha256_of({"auscult": auscult_version(), **made_from})


def unchanged_run(out: Path, key: str) -> Run | None:
    """Return the run in ``out`` if it was made from the same things."""
    if not (out / "evidence.json").is_file():
        return None
    run = open_run(out)
    return run if run.info.get("key") == key else None


def write_run(
    out: Path,
    parts: AuditParts,
    internal: Internal,
    *,
    store: Store,
    replace: bool = False,
    cancel: Cancel = never,
) -> Run:
    """Write a run, whole or not at all, and register it.

    Args:
        out: The run folder to make.
        parts: Exact results; rendered at the release that the policy declares.
        internal: What stays on site.
        store: Registry of runs.
        replace: Move a run that is already there to ``<out>.<its id>``.
        cancel: Asked once more before the run is put in place.

    Raises:
        StoreError: The folder is taken or cannot be written.
    """
    exact = build_evidence(parts)
    suppression = parts.policy.get("suppression", {})
    with RunWriter(out, displace=replace) as writer:
        _write_internal(writer, internal)
        evidence = exact
        if suppression.get("release") == "restricted":
            writer.write_json("internal/exact.json", exact)
            evidence = restrict(exact, cell=int(suppression["cell"]))
        writer.write_json("evidence.json", seal(evidence, writer.internal_sha256()))
        stop_if(cancel)
        displaced = writer.commit()
    if displaced is not None:
        store.moved(str(open_run(displaced).id), displaced)
    store.register(_record(out, exact, str(internal.info["key"])))
    return open_run(out)


def _write_internal(writer: RunWriter, internal: Internal) -> None:
    writer.write_json("internal/run.json", dict(internal.info))
    writer.write_table("internal/cases.parquet", internal.cases)
    for key, frame in internal.predictions.items():
        writer.write_table(f"internal/predictions/{file_name_of(key)}.parquet", frame)
    for key, arrays in internal.maps.items():
        writer.write_arrays(f"internal/maps/{file_name_of(key)}.npz", arrays)
    for key, frame in internal.effects.items():
        writer.write_table(f"internal/effects/{file_name_of(key)}.parquet", frame)
    for key, arrays in internal.counts.items():
        writer.write_arrays(f"internal/counts/{file_name_of(key)}.npz", arrays)
    for key, explained in internal.explanations.items():
        for one in explained:
            names = (key, one.case, f"{one.output}.{one.method}")
            folder = "/".join(["internal/explanations", *map(file_name_of, names)])
            writer.write_json(f"{folder}/explanation.json", one.to_dict())
            if one.map is not None:
                writer.write_arrays(f"{folder}/{one.map.to_dict()['file']}", one.arrays())


def _record(out: Path, evidence: Mapping[str, Any], key: str) -> RunRecord:
    models = [(f"{m['id']}@{m['version']}", m["weights_sha256"]) for m in evidence["models"]]
    return RunRecord(
        run=evidence["run"]["id"],
        path=out,
        time=evidence["run"]["created"],
        kind="comparison" if evidence["comparison"] else "audit",
        study_name=evidence["study"]["name"],
        study_sha256=evidence["study"]["sha256"],
        policy_sha256=evidence["declaration"]["policy_sha256"],
        content_key=key,
        models=tuple(models),
    )
