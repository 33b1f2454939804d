"""What people said about single predictions: their own estimate, and whether they agree.

A line is written whole or not at all, and none is ever changed: who thinks again writes another
line. The reviews lie beside the registry, not in the run, because a run is sealed.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from audits.errors import StoreError
from audits.storage.canonical import canonical_json
from audits.storage.home import home_folder

ReviewKind = Literal["estimate", "agree", "disagree"]

FILE = "reviews.sqlite"
FORMATS = ("csv", "json")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    role TEXT NOT NULL,
    run TEXT NOT NULL,
    study_sha256 TEXT NOT NULL,
    model TEXT NOT NULL,
    output TEXT NOT NULL,
    case_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('estimate', 'agree', 'disagree')),
    own_estimate REAL,
    predicted REAL,
    threshold REAL,
    reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS reviews_by_case ON reviews (run, output, case_id);
"""
_WAIT_SECONDS = 30.0
# A spreadsheet would run a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReview:
    """One line: what one person said about one prediction.

    Attributes:
        time: When, ISO 8601 in UTC.
        reviewer: Who, as the sign-in or the computer names them.
        role: In which role.
        run: Id of the run that was looked at.
        study_sha256: Hash of its study.
        model: ``id@version``, or empty for a table of predictions.
        output: The finding or outcome.
        case: Case id.
        kind: ``estimate`` (given before the prediction was seen), ``agree`` or ``disagree``.
        own_estimate: The person's own probability in [0, 1], for an estimate.
        predicted: What the model predicted, in [0, 1], where it predicts a probability.
        threshold: Threshold of the call, or None.
        reason: Why; a disagreement always has one.
    """

    time: str
    reviewer: str
    role: str
    run: str
    study_sha256: str
    model: str
    output: str
    case: str
    kind: ReviewKind
    own_estimate: float | None = None
    predicted: float | None = None
    threshold: float | None = None
    reason: str = ""


class Reviews:
    """The reviews of one store.

    Args:
        folder: The store; without it ``AUSCULT_HOME``, else ``~/.auscult``.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self._path = home_folder(folder) / FILE

    def add(self, review: CaseReview) -> None:
        """Keep a line.

        Raises:
            StoreError: A disagreement has no reason, an estimate lies outside [0, 1], or the file
                cannot be written.
        """
        if review.kind == "disagree" and not review.reason.strip():
            raise StoreError(
                f"Case {review.case}: a disagreement without a reason was given; say what speaks "
                "against the prediction."
            )
        given = review.own_estimate
        if review.kind == "estimate" and (given is None or not 0 <= given <= 1):
            raise StoreError(
                f"Case {review.case}: an estimate must lie between 0 and 1, found {given!r}."
            )
        values = tuple(asdict(review).values())
        marks = ", ".join("?" * len(values))
        with self._connection() as db:
            db.execute(f"INSERT INTO reviews ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608 - column names of our own

    def of_case(self, run: str, output: str, case: str) -> list[CaseReview]:
        """Return what was said about one case of a run, oldest first."""
        return self._read("WHERE run = ? AND output = ? AND case_id = ?", (run, output, case))

    def listed(self, run: str | None = None) -> list[CaseReview]:
        """Return every line, or those about one run, oldest first."""
        return self._read("WHERE run = ?", (run,)) if run else self._read("", ())

    def _read(self, where: str, values: Sequence[str]) -> list[CaseReview]:
        if not self._path.exists():
            return []
        query = f"SELECT {_COLUMNS} FROM reviews {where} ORDER BY id"  # noqa: S608 - text of our own
        with self._connection() as db:
            rows = db.execute(query, tuple(values)).fetchall()
        return [CaseReview(**dict(zip(_NAMES, row, strict=True))) for row in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS)) as db:
                db.executescript(_SCHEMA)
                with db:
                    yield db
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._path}: the reviews cannot be read or written ({error}); "
                "name another store with --store or move this file away."
            ) from error


def reviews_bytes(reviews: Sequence[CaseReview], form: str) -> bytes:
    """Return reviews as a CSV table or as canonical JSON.

    A text cell that a spreadsheet would run as a formula starts with an apostrophe in the CSV.

    Raises:
        StoreError: ``form`` is neither ``csv`` nor ``json``.
    """
    if form == "json":
        return canonical_json([asdict(review) for review in reviews])
    if form != "csv":
        raise StoreError(f"format: {form!r} is not offered for reviews; use csv or json.")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_NAMES)
    for review in reviews:
        writer.writerow([_cell(value) for value in asdict(review).values()])
    return stream.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


_NAMES = tuple(field.name for field in fields(CaseReview))
_COLUMNS = ", ".join("case_id" if name == "case" else name for name in _NAMES)
