"""Tables of a run as CSV, made from ``evidence.json`` alone."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audits.reporting.digest import archive_with_digest
from audits.reporting.further_tables import (
    ESTIMATES,
    SOURCES,
    estimate_rows,
    source_rows,
)
from audits.reporting.order import in_order
from audits.reporting.table_words import column_meaning

Row = dict[str, Any]

ESTIMATE_FIELDS = ("value", "low", "high", "level", "k", "n", "n_patients", "deff", "method")

ALL_ESTIMATES = "estimates"
"""Table of every estimate that no table of its own holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows with one set of columns.

    Attributes:
        name: File name without its ending.
        columns: Columns in order.
        rows: One dictionary per row.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def to_csv(self) -> str:
        """Return the table as CSV; undefined and masked numbers are empty, floats exact."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({k: _cell(row.get(k)) for k in self.columns})
        return stream.getvalue()


def evidence_tables(evidence: Mapping[str, Any], *, estimates: bool = True) -> tuple[Table, ...]:
    """Return the tables of a run: groups, comparisons, skipped cases, then all that it has.

    Args:
        evidence: ``evidence.json`` at any release.
        estimates: Whether the table of all estimates is among them.
    """
    outputs = evidence["outputs"]
    return (
        Table(
            name="groups",
            columns=(
                *("model", "output", "attributes", "suppressed", "metric"),
                *ESTIMATE_FIELDS,
                "reason",
            ),
            rows=tuple(_group_rows(outputs)),
        ),
        Table(
            name="comparisons",
            columns=(
                *("model", "output", "metric", "tier", "attribute", "group", "reference"),
                *("group_k", "group_n", "ref_k", "ref_n", "difference", "difference_low"),
                *("difference_high", "difference_90_low", "difference_90_high", "worse"),
                *("margin", "test", "p", "q", "p_margin", "q_margin", "p_equivalence"),
                *("verdict", "strength", "reason", "mde", "to_equivalence", "to_disparity"),
                *("declared", "suppressed"),
            ),
            rows=tuple(_comparison_rows(outputs)),
        ),
        Table(
            name="skipped",
            columns=("case", "reason", "n", "suppressed"),
            rows=tuple(dict(s) for s in evidence["skipped"]),
        ),
        *_further(evidence, estimates=estimates),
    )


def _further(evidence: Mapping[str, Any], *, estimates: bool) -> Iterator[Table]:
    """Yield the tables of all other sections that the run has, and that of all estimates."""
    ordered = in_order({k: v for k, v in evidence.items() if k != "signoff"})
    for source in SOURCES:
        rows = tuple(source_rows(ordered, source))
        if rows:
            yield Table(name=source.name, columns=source.columns, rows=rows)
    rows = tuple(estimate_rows(ordered)) if estimates else ()
    if rows:
        yield Table(name=ALL_ESTIMATES, columns=ESTIMATES, rows=rows)


def tables_zip(evidence: Mapping[str, Any]) -> bytes:
    """Return a zip of every table with a data dictionary; equal evidence gives equal bytes."""
    tables = evidence_tables(evidence)
    files = {f"{t.name}.csv": t.to_csv() for t in tables}
    files["data_dictionary.csv"] = _dictionary(tables).to_csv()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            # A fixed date: the export says when its run was made, not when it was packed.
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return archive_with_digest(stream.getvalue())


def _dictionary(tables: Sequence[Table]) -> Table:
    rows = [
        {"table": t.name, "column": c, "meaning": column_meaning(t.name, c)}
        for t in tables
        for c in t.columns
    ]
    return Table(name="data_dictionary", columns=("table", "column", "meaning"), rows=tuple(rows))


def _group_rows(outputs: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for output in outputs:
        for group in ({"attributes": {}, **output["overall"]}, *output["groups"]):
            for metric, estimate in sorted(group["metrics"].items()):
                yield {
                    **estimate,
                    "model": output["model"],
                    "output": output["name"],
                    "attributes": group["attributes"],
                    "suppressed": bool(estimate.get("suppressed")),
                    "metric": metric,
                }


def _comparison_rows(outputs: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for output in outputs:
        for one in output["comparisons"]:
            difference = one.get("difference") or {}
            low_90, high_90 = one.get("difference_90") or (None, None)
            yield {
                **one,
                **(one.get("n_needed") or {}),
                "model": output["model"],
                "output": output["name"],
                "difference": difference.get("value"),
                "difference_low": difference.get("low"),
                "difference_high": difference.get("high"),
                "difference_90_low": low_90,
                "difference_90_high": high_90,
                "suppressed": bool(one.get("suppressed")),
            }


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return f"'{value}"  # a spreadsheet would run it as a formula
    return value
