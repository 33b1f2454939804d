"""What ``auscult audit`` prints when it is done: the table that a person came for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from audits.storage import Run

_RATES = ("tpr", "fpr", "fnr", "auroc")
_NUMBERS = ("mae", "bias", "kappa_w", "c_uno", "auc_t", "brier_t", "oe_t", "dice", "hd95", "froc")
_NO_CLASSES = frozenset({"regression", "ordinal", "segmentation"})
_VERDICTS = ("disparity", "equivalent", "inconclusive", "not_evaluable")


def print_summary(run: Run) -> None:
    """Print, for each output, its groups with intervals and its verdicts."""
    evidence = run.evidence
    for output in evidence["outputs"]:
        click.echo("\n".join(summary_of(output)))
    findings = [*evidence["findings"]]
    findings += [f for output in evidence["outputs"] for f in output.get("findings", ())]
    for line in dict.fromkeys(f"{f['severity']}: {f['where']}: {f['message']}" for f in findings):
        click.echo(line)
    if evidence["skipped"]:
        click.echo(f"Skipped cases are listed in the run: {skipped(evidence['skipped'])}.")
    click.echo(f"Wrote {run.path} (run {run.id}, release {evidence['release']}).")


def summary_of(output: Mapping[str, Any]) -> list[str]:
    """Return the lines for one output: overall, marginal groups, verdicts."""
    entries = [("all", output["overall"])]
    marginal = [g for g in output["groups"] if len(g["attributes"]) == 1]
    entries += [(_name(g["attributes"]), g) for g in marginal]
    metrics = [m for m in (*_RATES, *_NUMBERS) if m in output["overall"]["metrics"]]
    counts = ["n"] if output.get("task") in _NO_CLASSES else ["n", "positives"]
    rows = [["group", *counts, *(f"{m} [95 %]" for m in metrics)]]
    rows += [
        [name, *(_count(g[one]) for one in counts)]
        + [_estimate(g["metrics"].get(m)) for m in metrics]
        for name, g in entries
    ]
    return [_title(output), *_aligned(rows), _verdicts(output), ""]


def _title(output: Mapping[str, Any]) -> str:
    model = f"{output['model']} · " if output["model"] else ""
    threshold, horizon = output["threshold"], output.get("horizon")
    if horizon is not None:
        at = "no horizon" if horizon["value"] is None else f"horizon {horizon['value']:.4g}"
        return f"{model}{output['name']} ({at})"
    if threshold["value"] is None:
        return f"{model}{output['name']} (no threshold)"
    return f"{model}{output['name']} (threshold {threshold['value']:.4g}, {threshold['source']})"


def _name(attributes: Mapping[str, str]) -> str:
    return ", ".join(f"{a} {v}" for a, v in attributes.items())


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _estimate(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "-"
    if estimate.get("suppressed"):
        return "suppressed"
    if estimate["value"] is None:
        return "undefined"
    if estimate["low"] is None or estimate["high"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  " + "  ".join(cells)


def _verdicts(output: Mapping[str, Any]) -> str:
    found = [c["verdict"] for c in output["comparisons"] if c["declared"]]
    counts = ", ".join(f"{found.count(v)} {v.replace('_', ' ')}" for v in _VERDICTS)
    crossed = sum(len(g["attributes"]) > 1 for g in output["groups"])
    more = f"; {crossed} intersections in evidence.json" if crossed else ""
    return f"  verdicts: {counts}{more}"


def skipped(cases: Sequence[Mapping[str, Any]]) -> str:
    """Return how many cases were skipped, at whichever release."""
    if cases[0]["case"] is None:
        return "suppressed" if cases[0]["n"] is None else str(cases[0]["n"])
    return str(len(cases))
