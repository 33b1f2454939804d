"""Sections 6 and 7: overall performance and every group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.charts import Verdicts, group_charts, verdict_of, verdicts_of
from audits.reporting.curves import reliability_curves
from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Grid,
    Heading,
    Missing,
    Row,
    Text,
)
from audits.reporting.document.causes import adjusted_gaps
from audits.reporting.document.findings import (
    disadvantaged,
    disparities,
    output_label,
)
from audits.reporting.document.further import further, horizon
from audits.reporting.document.tables import cells, estimate_cell
from audits.reporting.summary import verdict_counts
from audits.reporting.words import (
    MISSING,
    SUPPRESSED,
    count,
    group_label,
    humanised,
    is_ratio,
    level_text,
    limits,
    margin_text,
    minus,
    model_label,
    p_text,
    plural,
    points,
    reference_label,
    unit_of,
    word,
)

Evidence = Mapping[str, Any]
Output = Mapping[str, Any]

OVERALL = ("tpr", "fpr", "ppv", "auroc", "brier", "calibration_slope", "oe_ratio")
OTHER_TASKS = (
    *("mae", "bias", "c_uno", "auc_t", "brier_t", "oe_t", "kappa_w", "dice", "hd95", "froc"),
)
DRAWN = "95 % intervals (an arrow: it goes on); dotted: everybody"
CALIBRATION = ("oe_ratio", "calibration_slope", "calibration_intercept")
PANELS = 4


def measures(evidence: Evidence, outputs: Sequence[Output]) -> tuple[str, ...]:
    """Return the measures that get verdicts, then those that other tasks have instead."""
    declared = evidence["policy"].get("audit", {}).get("verdict_metrics", ())
    there = {m for o in outputs for m in o["overall"]["metrics"]}
    return tuple(m for m in (*declared, *OTHER_TASKS) if m in there)[:PANELS]


def overall(evidence: Evidence) -> Iterator[Block]:
    """Yield section 6: performance for everybody, with the scope of the data."""
    outputs = evidence["outputs"]
    if not outputs:
        yield Missing(text="The run holds no output.")
        return
    scopes = {word("scope", o.get("scope")) or "data of undeclared scope" for o in outputs}
    yield Text(
        text=f"Computed on {' and '.join(sorted(scopes))}. Intervals are 95 %; patients with "
        "several cases are counted as patients."
    )
    there = {m for o in outputs for m in o["overall"]["metrics"]}
    shown = [m for m in (*OVERALL, *OTHER_TASKS) if m in there]
    yield Grid(
        caption="Performance for everybody together",
        columns=(
            Column(label="Output", share=1.9),
            Column(label="Cases", align="right", share=1.4),
            *(Column(label=word("metric", m), align="right", share=1.25) for m in shown),
        ),
        rows=tuple(_overall_row(o, shown) for o in outputs),
    )
    yield from _reliability(outputs)
    yield Text(
        text="Other measures of every output, with numerators, denominators and methods, stand in "
        "the attached tables.",
        style="small",
    )


def _reliability(outputs: Sequence[Output]) -> Iterator[Block]:
    """Yield the reliability curves, or why the release holds none."""
    drawn = list(reliability_curves(outputs))
    for chart in drawn:
        yield Figure(
            chart=chart,
            caption="Observed rate by predicted risk, in bins of equally many cases; 95 % "
            "intervals; dotted: perfect agreement",
        )
    if not drawn:
        yield Missing(
            text="A reliability curve: this release holds no counts by score, or no output is a "
            "probability."
        )


def _overall_row(output: Output, shown: Sequence[str]) -> Row:
    everybody = output["overall"]
    model = model_label(output["model"]) if output.get("model") else ""
    n = count(everybody.get("n"), suppressed=bool(everybody.get("suppressed")))
    positives = count(everybody.get("positives"), suppressed=bool(everybody.get("suppressed")))
    return Row(
        cells=(
            Cell(text=humanised(output["name"]), note=model),
            Cell(
                text=n, note="" if everybody.get("positives") is None else f"{positives} positive"
            ),
            *(estimate_cell(everybody["metrics"].get(m), m) for m in shown),
        )
    )


def subgroups(evidence: Evidence) -> Iterator[Block]:
    """Yield section 7: for each output its groups, its disparities and what could not be told."""
    outputs = evidence["outputs"]
    yield Text(text=word("limit", "absence", "text"), style="note")
    for reason, names in _absent(outputs).items():
        yield Missing(text=f"{', '.join(map(humanised, names))}: {reason}.")
    for at, output in enumerate(outputs):
        yield Heading(text=output_label(output))
        yield from _output(evidence, output, at)


def _absent(outputs: Sequence[Output]) -> dict[str, list[str]]:
    """Return the attributes that could not be audited, by reason."""
    found: dict[str, list[str]] = {}
    for output in outputs:
        for entry in output.get("not_available", ()):
            names = found.setdefault(entry["reason"].rstrip("."), [])
            if entry["attribute"] not in names:
                names.append(entry["attribute"])
    return found


def _output(evidence: Evidence, output: Output, at: int) -> Iterator[Block]:
    shown = measures(evidence, [output])
    if not output["groups"]:
        yield Missing(text="The data declare no group.")
        return
    yield from horizon(output)
    yield Text(text=_tally(output))
    label = output_label(output)
    for chart in group_charts(output, shown, name=f"groups-{at}"):
        yield Figure(
            chart=chart,
            caption=f"{label}: groups, {DRAWN}",
        )
    yield _group_grid(output, shown, f"{label}: groups")
    yield from _disparity_grid(output)
    yield from adjusted_gaps(output)
    for chart in group_charts(output, shown, name=f"crossed-{at}", intersections=True):
        yield Figure(
            chart=chart,
            caption=f"{label}: intersections, {DRAWN}",
        )
    for chart in group_charts(output, CALIBRATION, name=f"calibration-{at}"):
        yield Figure(chart=chart, caption=f"{label}: calibration of the groups; dotted: everybody")
    yield from further(output)
    yield from _open_questions(output)


def _tally(output: Output) -> str:
    counts = verdict_counts([output])
    if not sum(counts.values()):
        return "No comparison was declared for this output, so nothing here is a verdict."
    said = ", ".join(
        plural(n, "disparity", "disparities") if v == "disparity" else f"{n:,} {label}"
        for v, n in counts.items()
        for label in (word("verdict", v).lower(),)
    )
    return f"Verdicts: {said}."


def _group_grid(output: Output, shown: Sequence[str], caption: str) -> Grid:
    verdicts = verdicts_of(output)
    rows: list[Row] = []
    before = ""
    for group in output["groups"]:
        if len(group["attributes"]) == 1:
            (name,) = group["attributes"]
            if name != before:
                rows.append(Row(cells=(Cell(text=humanised(name)),), heading=True))
                before = name
            rows.append(group_row(group, shown, verdicts))
    return Grid(caption=caption, columns=group_columns(shown), rows=tuple(rows))


def group_columns(shown: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of a table of groups."""
    return (
        Column(label="Group", share=1.5),
        Column(label="Cases", align="right"),
        Column(label="Positive", align="right"),
        *(Column(label=word("metric", m), align="right", share=1.5) for m in shown),
    )


def group_row(group: Mapping[str, Any], shown: Sequence[str], verdicts: Verdicts) -> Row:
    """Return one group: its size, its positives and its measures with their verdicts."""
    hidden = bool(group.get("suppressed"))
    name = " · ".join(level_text(str(v)) for v in group["attributes"].values())
    plain = cells(
        count(group.get("n"), suppressed=hidden),
        count(group.get("positives"), suppressed=hidden),
    )
    return Row(
        cells=(
            Cell(text=name),
            *plain.cells,
            *(
                estimate_cell(
                    group["metrics"].get(m), m, verdict_of(verdicts, group["attributes"], m) or ""
                )
                for m in shown
            ),
        )
    )


def _disparity_grid(output: Output) -> Iterator[Block]:
    found = [one for _, one in disparities([output])]
    if found:
        yield Grid(
            caption=f"{output_label(output)}: disparities",
            columns=COMPARISON_COLUMNS,
            rows=tuple(comparison_row(one) for one in found),
        )


COMPARISON_COLUMNS = (
    Column(label="Group", share=2.1),
    Column(label="Measure", share=1.4),
    Column(label="Difference (90 % interval)", align="right", share=1.7),
    Column(label="Margin", align="right"),
    Column(label="q", align="right", share=0.8),
    Column(label="Verdict", share=1.5),
    Column(label="Worse off", share=1.4),
)


def comparison_row(comparison: Mapping[str, Any]) -> Row:
    """Return one declared comparison."""
    metric, verdict = comparison["metric"], comparison.get("verdict")
    difference = comparison.get("difference") or {}
    hidden = bool(comparison.get("suppressed"))
    strength = comparison.get("strength")
    value = difference.get("value")
    low, high = comparison.get("difference_90") or (None, None)
    unit = "ratio" if is_ratio(metric) else unit_of(metric)
    carried = comparison.get("carried_by") or []
    names = ", ".join(group_label(g) for g in carried)
    return Row(
        cells=(
            Cell(
                text=group_label(comparison["group"]),
                note=f"carried by {names}" if names else _against(comparison),
            ),
            Cell(text=word("metric", metric)),
            Cell(
                text=points(value, metric)
                if value is not None
                else (SUPPRESSED if hidden else "–"),
                note=limits(low, high, unit),
                tone="" if value is not None else "muted",
            ),
            Cell(text=margin_text(comparison.get("margin"), metric)),
            Cell(text=p_text(comparison.get("q"))),
            Cell(
                text=word("verdict", verdict) if verdict else (SUPPRESSED if hidden else "–"),
                note=strength or "",
                mark=verdict or "",
            ),
            Cell(text=disadvantaged(comparison) if verdict == "disparity" else "–"),
        )
    )


def _against(comparison: Mapping[str, Any]) -> str:
    reference = comparison.get("reference")
    return "" if reference in (None, "rest") else f"compared with {reference_label(reference)}"


def _open_questions(output: Output) -> Iterator[Block]:
    """Yield what it would take to settle the inconclusive ones, and what cannot be evaluated."""
    declared = [c for c in output["comparisons"] if c.get("verdict")]
    unsettled = [c for c in declared if c["verdict"] == "inconclusive"]
    rows = [
        cells(
            group_label(c["group"]),
            word("metric", c["metric"]),
            _more(c, "to_equivalence"),
            _more(c, "to_disparity"),
        )
        for c in unsettled
        if c["tier"] == "marginal"
    ]
    if rows:
        yield Grid(
            caption=f"{output_label(output)}: inconclusive, and how many more cases of the group "
            "would usually show equivalence if there were no difference, or a disparity if it were "
            "twice the margin (0: this many usually do, so the difference may lie near the margin)",
            columns=(
                Column(label="Group", share=2),
                Column(label="Measure", share=1.4),
                Column(label="To show equivalence", align="right", share=1.5),
                Column(label="To show a disparity", align="right", share=1.5),
            ),
            rows=tuple(rows),
        )
    few = [c for c in declared if c["verdict"] == "not_evaluable"]
    if few:
        by_group: dict[str, list[str]] = {}
        for c in few:
            by_group.setdefault(group_label(c["group"]), []).append(word("metric", c["metric"]))
        said = "; ".join(f"{group} ({', '.join(names)})" for group, names in by_group.items())
        yield Text(text=f"Not evaluable, too few cases: {said}.", style="small")


def _more(comparison: Mapping[str, Any], name: str) -> str:
    if comparison.get("suppressed"):
        return SUPPRESSED
    needed = (comparison.get("n_needed") or {}).get(name)
    return MISSING if needed is None else minus(f"{needed:,}")
