"""From the run's evidence to the plain data of charts and tables; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dashboard import numbers
from dashboard.charts import Cell, Effect, Forest, ForestRow, GroupMap, PairedForest, PairedRow
from dashboard.charts import Waterfall as WaterfallChart
from dashboard.charts.paired import Side
from dashboard.evidence import (
    comparison_of,
    group_entry,
    group_label,
    is_intersection,
    level_label,
)
from dashboard.words import humanised, label, unit_label, verdict_text, word

if TYPE_CHECKING:
    import pandas as pd

Entry = Mapping[str, Any]


def group_forest(output: Entry, metric: str, groups: Sequence[Entry]) -> Forest:
    """Return the forest plot of some groups in one metric."""
    overall = output["overall"]["metrics"].get(metric) or {}
    return Forest(
        metric=label("metric", metric),
        unit=word("metric", metric).unit,
        overall=overall.get("value"),
        rows=tuple(_forest_row(output, metric, group) for group in groups),
    )


def _forest_row(output: Entry, metric: str, group: Entry) -> ForestRow:
    estimate = group["metrics"].get(metric) or {}
    found = comparison_of(output, group["attributes"], metric) or {}
    return ForestRow(
        label=group_label(group["attributes"]),
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        text=numbers.full(estimate, metric),
        verdict=found.get("verdict") or "exploratory",
        strength=found.get("strength"),
    )


def paired_forest(
    base: Entry, candidate: Entry, metric: str, names: tuple[str, str], groups: Sequence[Entry]
) -> PairedForest:
    """Return both versions' estimates per group, everybody first."""
    rows = [_paired_row("Everybody", base["overall"], candidate["overall"], metric)]
    theirs = {tuple(g["attributes"].items()): g for g in candidate.get("groups", [])}
    for group in groups:
        other = theirs.get(tuple(group["attributes"].items()))
        if other is not None:
            rows.append(_paired_row(group_label(group["attributes"]), group, other, metric))
    return PairedForest(
        metric=label("metric", metric),
        unit=word("metric", metric).unit,
        base=names[0],
        candidate=names[1],
        rows=tuple(rows),
    )


def _paired_row(name: str, base: Entry, candidate: Entry, metric: str) -> PairedRow:
    return PairedRow(label=name, base=_side(base, metric), candidate=_side(candidate, metric))


def _side(group: Entry, metric: str) -> Side:
    estimate = group["metrics"].get(metric) or {}
    return Side(
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        text=numbers.full(estimate, metric),
    )


def group_map(output: Entry, metric: str, attributes: tuple[str, str]) -> GroupMap:
    """Return the map of two crossed attributes."""
    first, second = attributes
    cells = []
    for group in output.get("groups", []):
        named = group["attributes"]
        if set(named) != {first, second}:
            continue
        estimate = group["metrics"].get(metric) or {}
        found = comparison_of(output, named, metric) or {}
        cells.append(
            Cell(
                row=level_label(str(named[first])),
                column=level_label(str(named[second])),
                value=estimate.get("value"),
                low=estimate.get("low"),
                high=estimate.get("high"),
                text=numbers.full(estimate, metric),
                limits=numbers.interval(estimate, word("metric", metric).unit),
                n=numbers.denominator(estimate) or numbers.MISSING,
                verdict=found.get("verdict") or "exploratory",
                strength=found.get("strength"),
            )
        )
    overall = output["overall"]["metrics"].get(metric) or {}
    margins = (c.get("margin") for c in output.get("comparisons", []) if c["metric"] == metric)
    margin = next((m for m in margins if m), None)
    ratio = word("metric", metric).unit == "ratio"
    return GroupMap(
        metric=label("metric", metric),
        unit=word("metric", metric).unit,
        row_name=humanised(first),
        column_name=humanised(second),
        cells=tuple(cells),
        overall=overall.get("value"),
        margin=margin - 1 if margin and ratio else margin,
    )


def crossed_attributes(output: Entry) -> list[tuple[str, str]]:
    """Return the pairs of attributes that the run crossed."""
    pairs = [
        tuple(group["attributes"])
        for group in output.get("groups", [])
        if len(group["attributes"]) == 2  # noqa: PLR2004 - a pair
    ]
    return [(first, second) for first, second in dict.fromkeys(pairs)]


def importance(explained: Entry, output: str, limit: int = 12) -> Forest | None:
    """Return the variables that move the score most, or None where the run holds none.

    Args:
        explained: The run's summary of one model's explanations.
        output: Name of the output.
        limit: Variables shown.
    """
    entry = next((o for o in explained.get("outputs", []) if o["name"] == output), None)
    if not entry or not entry.get("importance"):
        return None
    rows = []
    for item in entry["importance"][:limit]:
        size = item["mean_absolute_effect"]
        rows.append(
            ForestRow(
                label=item["label"],
                value=size.get("value"),
                low=size.get("low"),
                high=size.get("high"),
                text=f"{numbers.with_interval(size)}, {numbers.denominator(size)}",
            )
        )
    return Forest(
        metric="Mean size of the effect, in logits",
        unit="number",
        rows=tuple(rows),
        graded=False,
        grouped="variable",
    )


def waterfall(
    explanation: Entry, *, extent: tuple[float, float] | None = None
) -> WaterfallChart | None:
    """Return the effects of a patient's variables, or None where there are none.

    Args:
        explanation: ``explanation.json``.
        extent: Range of the axis, where another version stands beside.
    """
    players = explanation.get("players") or []
    score = explanation.get("score") or {}
    base = explanation.get("base_value")
    if not players or base is None:
        return None
    logit = score.get("logit")
    reached = logit if logit is not None else base + sum(p["effect"] for p in players)
    parts = "parts" if explanation.get("note") else "variables"
    return WaterfallChart(
        extent=extent,
        parts=parts,
        risks=logit is not None,
        start="empty note"
        if parts == "parts" and not explanation.get("modalities")
        else "background",
        base=base,
        score=reached,
        unit="log-odds" if logit is not None else "units of the output",
        effects=tuple(
            Effect(
                label=_with_value(p),
                effect=p["effect"],
                error=p.get("se"),
            )
            for p in players
        ),
    )


def _with_value(player: Entry) -> str:
    """Return a player's label with its value; a part of an image or a text has none."""
    if player["value"] is None:
        return str(player["label"])
    return f"{player['label']} {value_text(player['value'], player.get('unit'))}".strip()


def value_text(value: float | str | None, unit: str | None = None) -> str:
    """Return a measured value with its unit; a missing one is "not measured".

    Example:
        >>> value_text(4.0, "mmol/L"), value_text(None), value_text("F")
        ('4 mmol/L', 'not measured', 'F')
    """
    if value is None:
        return "not measured"
    shown = f"{value:.4g}" if isinstance(value, int | float) else str(value)
    return f"{shown} {unit_label(unit)}".strip() if shown != "not measured" else shown


def size_rows(output: Entry) -> list[dict[str, str]]:
    """Return every group's cases, patients and positives as text, marginal groups first.

    A suppressed count says that it is suppressed.
    """
    groups = sorted(output.get("groups", []), key=is_intersection)
    total = output["overall"].get("n")
    rows = []
    for group in ({"attributes": {}, **output["overall"]}, *groups):
        hidden = bool(group.get("suppressed"))
        n = group.get("n")
        rows.append(
            {
                "Group": group_label(group["attributes"]),
                "Cases": numbers.count(n, suppressed=hidden),
                "Share": numbers.number(n / total, "percent") if n and total else "–",
                "Patients": numbers.count(group.get("patients"), suppressed=hidden),
                "With the condition": numbers.count(group.get("positives"), suppressed=hidden),
            }
        )
    return rows


def group_count(output: Entry, comparison: Entry) -> str:
    """Return the group's count in a comparison: ``140 of 311``, or n where nothing is counted."""
    if comparison.get("group_n") is not None:
        return numbers.of(comparison.get("group_k"), comparison["group_n"])
    group = group_entry(output, comparison["group"])
    estimate = group["metrics"].get(comparison["metric"]) if group else None
    return numbers.denominator(estimate) or numbers.MISSING


def verdict_frame(output: Entry, items: Iterable[Entry]) -> pd.DataFrame:
    """Return comparisons of an output as a table of printed text, one row each."""
    import pandas as pd

    rows = [
        {
            "Verdict": verdict_text(c.get("verdict"), c.get("strength")),
            "Measure": label("metric", c["metric"]),
            "Group": group_label(c["group"]),
            "Compared with": reference_text(c.get("reference")),
            "Worse off": worse_text(c),
            "Difference (95 %)": numbers.difference_text(c.get("difference"), c["metric"]),
            "Group count": group_count(output, c),
            "Reference count": numbers.of(c.get("ref_k"), c.get("ref_n")),
            "Margin": margin_text(c),
            "q": numbers.p_text(c.get("q")),
            "What would settle it": settle_text(c),
        }
        for c in items
    ]
    return pd.DataFrame(rows)


def worse_text(comparison: Entry, group: Mapping[str, str] | None = None) -> str:
    """Return who fares worse, in words.

    Args:
        comparison: The comparison.
        group: The group the reader looks at; a two-level attribute is compared once, so this may
            be the other side.

    Example:
        >>> worse_text({"worse": "group", "group": {"sex": "F"}, "reference": "rest"})
        'Sex F'
        >>> worse_text({"worse": "group", "group": {"sex": "F"}}, {"sex": "M"})
        'better off'
    """
    worse = comparison.get("worse")
    if worse not in {"group", "reference"}:
        return "–"
    if group is not None:
        own_side = "group" if dict(group) == dict(comparison["group"]) else "reference"
        return "worse off" if worse == own_side else "better off"
    if worse == "group":
        return group_label(comparison["group"])
    return reference_text(comparison.get("reference"))


def reference_text(reference: object) -> str:
    """Return what a group is compared with, in words."""
    if isinstance(reference, Mapping):
        return group_label(reference)
    return "the rest" if reference in {None, "rest"} else str(reference)


def margin_text(comparison: Entry) -> str:
    """Return the declared margin in the metric's unit."""
    margin = comparison.get("margin")
    if margin is None:
        return numbers.MISSING
    unit = word("metric", comparison["metric"]).unit
    if unit == "percent":
        return f"± {100 * margin:.0f} points"
    return f"{1 / margin:.2f} to {margin:.2f}" if unit == "ratio" else f"± {margin:.3g}"


def settle_text(comparison: Entry) -> str:
    """Return how many more cases would settle an inconclusive comparison, or the reason."""
    if comparison.get("verdict") == "equivalent" and (comparison.get("q") or 1) <= 0.05:  # noqa: PLR2004 - the declared level
        return "differs, within the margin"
    reason = str(comparison.get("reason") or "")
    if comparison.get("verdict") != "inconclusive":
        return reason
    needed = comparison.get("n_needed") or {}
    if reason == "too few" and _count(needed.get("to_equivalence")) == 0:
        reason = "unsettled: the difference may lie near the margin"
    parts = [
        f"{value:,} more to show {name}"
        for key, name in (("to_equivalence", "equivalence"), ("to_disparity", "a disparity"))
        if (value := _count(needed.get(key)))
    ]
    return "; ".join([reason, *parts] if reason else parts)


def _count(value: object) -> int | None:
    if isinstance(value, Mapping):
        value = value.get("cases")
    return int(value) if isinstance(value, int | float) else None
