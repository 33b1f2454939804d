"""What was audited before: a small SQLite registry that many processes may write at once."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.errors import StoreError
from audits.storage.home import home_folder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    study_name TEXT NOT NULL,
    study_sha256 TEXT NOT NULL,
    policy_sha256 TEXT NOT NULL,
    content_key TEXT NOT NULL,
    models TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run_models (
    run TEXT NOT NULL,
    weights_sha256 TEXT NOT NULL,
    PRIMARY KEY (run, weights_sha256)
);
CREATE TABLE IF NOT EXISTS gates (
    study_sha256 TEXT NOT NULL,
    policy_sha256 TEXT NOT NULL,
    run TEXT NOT NULL,
    time TEXT NOT NULL,
    exit_code INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_study ON runs (study_sha256);
CREATE INDEX IF NOT EXISTS runs_by_weights ON run_models (weights_sha256);
CREATE INDEX IF NOT EXISTS gates_by_study ON gates (study_sha256);
"""
_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One line of the registry.

    Attributes:
        run: Id of the run.
        path: Its folder when it was made.
        time: When, ISO 8601 in UTC.
        kind: ``audit`` or ``comparison``.
        study_name: Name of the study, or the stem of the predictions file.
        study_sha256: Hash of the study, or of the predictions file.
        policy_sha256: Hash of the policy.
        content_key: Hash of everything the run was made from.
        models: (``id@version``, sha256 of the weights) of each model.
    """

    run: str
    path: Path
    time: str
    kind: str
    study_name: str
    study_sha256: str
    policy_sha256: str
    content_key: str
    models: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """One use of a test set to gate a release.

    Attributes:
        study_sha256: Hash of the audited study.
        policy_sha256: Hash of the policy whose rules were judged.
        run: Id of the run.
        time: When, ISO 8601 in UTC.
        exit_code: How the gate ended.
    """

    study_sha256: str
    policy_sha256: str
    run: str
    time: str
    exit_code: int


class Store:
    """The registry of runs in one store folder.

    It forgets nothing: a run whose folder was deleted still counts as a prior run, and only
    :func:`list_runs` leaves it out.

    Args:
        folder: The store; without it ``AUSCULT_HOME``, else ``~/.auscult``.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = home_folder(folder)

    @property
    def cache(self) -> Path:
        """Return the folder for predictions that other runs can use again."""
        return self._sub("cache")

    @property
    def jobs(self) -> Path:
        """Return the folder with the state of jobs."""
        return self._sub("jobs")

    @property
    def logs(self) -> Path:
        """Return the folder with the records of unexpected errors."""
        return self._sub("logs")

    def register(self, record: RunRecord) -> None:
        """Remember a run; registering it again replaces the line."""
        with self._connection() as db:
            db.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    record.run,
                    str(record.path),
                    record.time,
                    record.kind,
                    record.study_name,
                    record.study_sha256,
                    record.policy_sha256,
                    record.content_key,
                    json.dumps(record.models),
                ),
            )
            db.executemany(
                "INSERT OR IGNORE INTO run_models VALUES (?, ?)",
                [(record.run, weights) for _, weights in record.models],
            )

    def moved(self, run: str, path: Path) -> None:
        """Remember that a run's folder has another place now."""
        with self._connection() as db:
            db.execute("UPDATE runs SET path = ? WHERE run = ?", (str(path), run))

    def prior_runs(self, study_sha256: str, weights: Sequence[str]) -> list[dict[str, Any]]:
        """Return earlier runs of the same study or of any of the same models, oldest first."""
        query = (
            "SELECT DISTINCT r.run, r.policy_sha256, r.time, r.path FROM runs r "
            "LEFT JOIN run_models m ON m.run = r.run WHERE r.study_sha256 = ? "
            "OR m.weights_sha256 IN (SELECT value FROM json_each(?)) ORDER BY r.time, r.rowid"
        )
        with self._connection() as db:
            rows = db.execute(query, (study_sha256, json.dumps(list(weights)))).fetchall()
        found = [
            {"run": run, "policy_sha256": policy, "time": time} for run, policy, time, _ in rows
        ]
        # The latest earlier run says from where the margins moved, if its folder is still there.
        margins = _margins(Path(rows[-1][3])) if rows else {}
        return [*found[:-1], {**found[-1], **margins}] if margins else found

    def record_gate(self, record: GateRecord) -> None:
        """Remember that a run was judged by gate rules."""
        with self._connection() as db:
            db.execute(
                "INSERT INTO gates VALUES (?, ?, ?, ?, ?)",
                (
                    record.study_sha256,
                    record.policy_sha256,
                    record.run,
                    record.time,
                    record.exit_code,
                ),
            )

    def gates(self, study_sha256: str) -> list[GateRecord]:
        """Return every time a study was used to gate, oldest first."""
        query = (
            "SELECT study_sha256, policy_sha256, run, time, exit_code FROM gates "
            "WHERE study_sha256 = ? ORDER BY time, rowid"
        )
        with self._connection() as db:
            rows = db.execute(query, (study_sha256,)).fetchall()
        return [
            GateRecord(study_sha256=study, policy_sha256=policy, run=run, time=time, exit_code=code)
            for study, policy, run, time, code in rows
        ]

    def records(self) -> list[RunRecord]:
        """Return every run ever registered, newest first."""
        query = (
            "SELECT run, path, time, kind, study_name, study_sha256, policy_sha256, "
            "content_key, models FROM runs ORDER BY time DESC, rowid DESC"
        )
        with self._connection() as db:
            rows = db.execute(query).fetchall()
        return [_record(row) for row in rows]

    def _sub(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / "runs.sqlite"
        try:
            with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as db:
                _prepare(db)
                with db:
                    yield db
        except sqlite3.Error as error:
            raise StoreError(
                f"{path}: the registry of runs cannot be used ({error}); "
                "name another store with --store or move this file away."
            ) from error


def _prepare(db: sqlite3.Connection) -> None:
    """Make the tables of a new registry; several processes may come here at once."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'gates_by_study'").fetchone():
        return
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            # Readers and one writer do not block each other in this mode. Switching to it fails
            # at once, without waiting, while another process does the same.
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")


def list_runs(store: Path | str | Store | None = None) -> list[RunRecord]:
    """Return the registered runs whose folders are still there, newest first."""
    registry = store if isinstance(store, Store) else Store(store)
    return [r for r in registry.records() if (r.path / "evidence.json").is_file()]


def _record(row: tuple[Any, ...]) -> RunRecord:
    run, path, time, kind, study_name, study_sha256, policy_sha256, content_key, models = row
    return RunRecord(
        run=run,
        path=Path(path),
        time=time,
        kind=kind,
        study_name=study_name,
        study_sha256=study_sha256,
        policy_sha256=policy_sha256,
        content_key=content_key,
        models=tuple((str(key), str(sha)) for key, sha in json.loads(models)),
    )


def _margins(folder: Path) -> dict[str, Any]:
    """Return the margins of the run in a folder; empty where they cannot be read."""
    try:
        evidence = json.loads((folder / "evidence.json").read_bytes())
        policy = evidence["policy"]
        tested = policy.get("shortcuts") or {}
        return {
            "margins": dict(policy["margin"]),
            **({"shortcut_margin": tested["margin_logits"]} if tested else {}),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
