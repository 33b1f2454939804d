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

Row = dict[str, Any]

ESTIMATE_FIELDS = ("value", "low", "high", "level", "k", "n", "n_patients", "deff", "method")

_MEANINGS = {
    "model": "Model as id@version; empty for a table of scores.",
    "output": "Name of the output.",
    "attributes": "Group as JSON, attribute to level; {} is the whole cohort.",
    "suppressed": "true where a number was masked to protect a small group.",
    "metric": "Name of the metric.",
    "value": "Point estimate; empty where it is undefined or masked.",
    "low": "Lower limit of the interval.",
    "high": "Upper limit of the interval.",
    "level": "Confidence level of the interval.",
    "k": "Numerator in rows, for proportions.",
    "n": "Denominator in rows.",
    "n_patients": "Distinct patients behind the denominator.",
    "deff": "Design effect used by the interval.",
    "method": "Name of the interval.",
    "reason": "Why a number is missing, or what to know about it.",
    "tier": "marginal or intersection.",
    "attribute": "Attribute compared.",
    "group": "Group as JSON.",
    "reference": "What the group is compared with.",
    "group_k": "Numerator of the group in rows.",
    "group_n": "Denominator of the group in rows.",
    "ref_k": "Numerator of the reference in rows.",
    "ref_n": "Denominator of the reference in rows.",
    "difference": "Group minus reference (oe_ratio: group / reference).",
    "difference_low": "Lower 95 % limit of the difference.",
    "difference_high": "Upper 95 % limit of the difference.",
    "difference_90_low": "Lower 90 % limit, compared with the margin.",
    "difference_90_high": "Upper 90 % limit, compared with the margin.",
    "worse": "Which side fares worse.",
    "margin": "Largest difference that does not matter, declared before the run.",
    "test": "Test behind p.",
    "p": "p-value of no difference.",
    "q": "p adjusted over the whole confirmatory set (Benjamini-Hochberg).",
    "p_margin": "p-value of a difference within the margin.",
    "q_margin": "p_margin adjusted.",
    "p_equivalence": "p-value of a difference beyond the margin.",
    "verdict": "disparity, equivalent, inconclusive or not_evaluable; empty if exploratory.",
    "strength": "confirmed or indicated, for a disparity.",
    "mde": "Difference that this sample would find with power .8.",
    "to_equivalence": "Further cases needed to show equivalence.",
    "to_disparity": "Further cases needed to show a disparity.",
    "declared": "Whether the policy declared the comparison before the run.",
    "case": "Case that was not used.",
}


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


def evidence_tables(evidence: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return the tables of a run: groups, comparisons, skipped cases.

    Args:
        evidence: ``evidence.json`` at any release.
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
    )


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
        {"table": t.name, "column": c, "meaning": _MEANINGS[c]} for t in tables for c in t.columns
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
