"""Why groups differ: case mix, labels, thresholds and missing data, before the model is blamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.charts import Curve, DecisionCurves, Forest, ForestRow
from dashboard.evidence import (
    by_concern,
    comparisons,
    gravest_attribute,
    group_entry,
    group_label,
    level_label,
)
from dashboard.views.context import Context
from dashboard.views.elements import show_chart, show_table
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, inside, label, word

Entry = Mapping[str, Any]
SHOWN = 8
GROUPS = 5


def causes_part(chosen: Context) -> None:
    """Show what besides the model may make groups differ; no verdict rests on it."""
    causes = chosen.entry.get("causes") or {}
    if causes.get("state") != "computed":
        st.write(f"Not computed: {causes.get('reason') or 'this run holds no causes'}.")
        return
    st.caption(causes["note"])
    for title, name, rows in _PANELS:
        st.subheader(title, anchor=False)
        st.caption(_MEANING[name])
        held = causes.get(name) or {}
        _panel({"attributes": held} if isinstance(held, list) else held, rows, chosen.entry, title)


def population_part(chosen: Context) -> None:
    """Show the sample beside the population it is to stand for, or why that is not known."""
    causes = chosen.entry.get("causes") or {}
    held = causes.get("representativeness") if causes.get("state") == "computed" else None
    if not held:
        return
    st.subheader("Who the sample stands for", anchor=False)
    st.caption(_MEANING["representativeness"])
    _panel(held, _population_rows, chosen.entry, "Who the sample stands for")


def underdiagnosis_part(chosen: Context) -> None:
    """Show who is missed, at the declared threshold and at one specificity for all."""
    held = (chosen.entry.get("causes") or {}).get("underdiagnosis") or {}
    if held.get("state") != "computed":
        st.write(f"Not computed: {held.get('reason') or 'this run holds none'}.")
        return
    st.caption(held["caveat_text"])
    specificity = held.get("specificity")
    at = "" if specificity is None else f" of {specificity:.1%}, everybody's own"
    views = {
        "missed": "Missed at the declared threshold",
        "missed_at_equal_specificity": f"Missed at one specificity for all{at}",
        "overcalled": "Flagged without the condition",
    }
    name = pick_one("Show", list(views), key="underdiagnosis", format_func=views.__getitem__)
    rows = [
        ForestRow(
            label=group_label(group["attributes"]),
            value=(group.get(name) or {}).get("value"),
            low=(group.get(name) or {}).get("low"),
            high=(group.get(name) or {}).get("high"),
            text=_full(group.get(name)),
        )
        for group in held["groups"]
    ]
    chart = Forest(metric=views[name], unit="percent", rows=tuple(rows), graded=False)
    show_chart(chart, key=f"underdiagnosis_{name}")


def decision_part(chosen: Context) -> None:
    """Show decision curves of everybody and of the groups of one attribute."""
    held = chosen.entry.get("decision_curve") or []
    if not held:
        st.write("Net benefit needs predicted risks between 0 and 1; this output has none.")
        return
    st.caption(f"{word('metric', 'net_benefit').definition} `{_FORMULA}`")
    names = list(
        dict.fromkeys(n for c in held if len(c["attributes"]) == 1 for n in c["attributes"])
    )
    shown = [curve for curve in held if not curve["attributes"]]
    if names:
        name = pick_one("Groups by", names, key="decision_by", format_func=humanised, width=320)
        own = [curve for curve in held if list(curve["attributes"]) == [name]]
        shown += sorted(own, key=lambda curve: -curve["n"])[: GROUPS - 1]
    curves = tuple(
        Curve(
            group=group_label(curve["attributes"]),
            n=curve["n"],
            thresholds=tuple(curve["thresholds"]),
            benefit=tuple(curve["net_benefit"]),
            low=tuple(curve["low"]),
            high=tuple(curve["high"]),
            treat_all=tuple(curve["treat_all"]),
        )
        for curve in shown
        if curve.get("net_benefit")
    )
    if not curves:
        st.write("The curves are suppressed at this run's release: they would reveal small counts.")
        return
    declared = chosen.entry["threshold"]["value"]
    show_chart(DecisionCurves(curves=curves, declared=declared), key="decision_curves")


def mitigation_part(chosen: Context) -> None:
    """Show what a correction would do to every group, fitted on half and judged on the rest."""
    held = chosen.entry.get("mitigation") or {}
    if held.get("state") != "computed":
        st.write(f"Not computed: {held.get('reason') or 'this run previews none'}.")
        return
    st.caption(held["note"])
    usable = {a["attribute"]: a for a in held["attributes"] if a.get("methods")}
    if not usable:
        st.write("No attribute has enough cases on both sides to fit a correction.")
        return
    left, right = st.columns(2)
    with left:
        name = pick_one(
            "Groups by",
            list(usable),
            key="mitigation_by",
            default=gravest_attribute(chosen.entry, list(usable)),
            format_func=humanised,
        )
    methods = {m["method"]: m for m in usable[name]["methods"]}
    with right:
        method = pick_one("Correction", list(methods), key="mitigation_how", format_func=humanised)
    now = {group_label(g["attributes"]): g["metrics"] for g in usable[name].get("now", [])}
    rows = []
    for group in methods[method]["groups"]:
        told = group_label(group["attributes"])
        row = {"Group": told}
        for metric, change in group["metrics"].items():
            before = _full((now.get(told) or {}).get(metric), metric)
            row[label("metric", metric)] = f"{before} → {_full(change.get('after'), metric)}"
        rows.append(row)
    show_table(rows, alt=f"{humanised(method)} by {humanised(name)}: before and after")
    fitted, judged = held["fitted_on"], held["judged_on"]
    st.caption(
        f"Fitted on {fitted['n']:,} cases, judged on {judged['n']:,} others. Nothing is applied."
    )


Rows = Callable[[Entry, Entry], Iterable[dict[str, str]]]


def _panel(held: Entry, rows: Rows, output: Entry, title: str) -> None:
    if held.get("state", "computed") != "computed":
        st.write(f":gray-badge[– not available] {held.get('reason')}")
        return
    told = list(rows(held, output))
    if not told:
        st.write("Nothing to report.")
        return
    show_table(told[:SHOWN], alt=title)
    if len(told) > SHOWN:
        opened = st.expander(f"All {len(told)} rows", key=f"all_{title}", on_change="rerun")
        if opened.open:
            with opened:
                show_table(told, alt=f"{title}: all rows")


def _telling(items: Sequence[Entry], output: Entry) -> list[Entry]:
    """Return items in the order of the verdicts on their groups: the gravest first."""
    ranked = by_concern(list(comparisons(output)))
    order: dict[tuple[str, str], int] = {}
    for place, found in enumerate(ranked):
        order.setdefault((found["metric"], group_label(found["group"])), place)
    last = len(ranked)
    return sorted(
        items, key=lambda i: order.get((i.get("metric", "tpr"), group_label(i["group"])), last)
    )


def _cases(output: Entry, item: Entry) -> dict[str, str]:
    """Return how many cases of the group an item rests on, under the words that say so."""
    basis = (output.get("causes") or {}).get("sample") or {}
    heading = "Cases" if basis.get("cases") == basis.get("of_cases") else "Cases in the sample"
    group = group_entry(output, item["group"]) or {}
    # Runs of earlier versions hold no count of their own here.
    n = item.get("n", None if basis else group.get("n"))
    return {heading: numbers.count(n, suppressed=bool(group.get("suppressed")))}


def _mix_rows(held: Entry, output: Entry) -> Iterable[dict[str, str]]:
    for gap in _telling(held["gaps"], output):
        metric = gap["metric"]
        adjusted = gap.get("adjusted_for")
        row = {
            "Measure": label("metric", metric),
            "Group": group_label(gap["group"]),
            **_cases(output, gap),
            "Gap as found": numbers.difference_text(gap.get("crude"), metric),
        }
        made = numbers.difference_text(gap.get("standardised"), metric)
        row["Gap at equal prevalence" if adjusted is None else "Gap at equal case mix"] = made
        if adjusted is not None:
            row["Made equal in"] = ", ".join(inside(humanised(name)) for name in adjusted)
            row["Effective n"] = numbers.MISSING if gap.get("ess") is None else f"{gap['ess']:,.0f}"
        yield row


def _label_rows(held: Entry, output: Entry) -> Iterable[dict[str, str]]:
    for point in _telling(held["points"], output):
        yield {
            "Measure": label("metric", point["metric"]),
            "Group": group_label(point["group"]),
            **_cases(output, point),
            "The gap would vanish at a label": _tipping(point),
        }


def _tipping(point: Entry) -> str:
    found = point.get("tipping_point") or {}
    if found.get("value") is None:
        return str(found.get("reason") or numbers.with_interval(found))
    return f"{point['parameter']} of {numbers.with_interval(found, 'percent')}"


def _choice_rows(held: Entry, output: Entry) -> Iterable[dict[str, str]]:
    for gap in _telling(held["gaps"], output):
        yield {
            "Group": group_label(gap["group"]),
            **_cases(output, gap),
            "Second label": inside(humanised(held["second_label"])),
            "Difference at an equal score": numbers.difference_text(gap["at_equal_score"], "tpr"),
            f"Difference in the top {100 - held['top_percentile']} %": numbers.difference_text(
                gap["at_top"], "tpr"
            ),
        }


def _odds_rows(held: Entry, output: Entry) -> Iterable[dict[str, str]]:
    for item in _telling(held["odds_at_equal_score"], output):
        yield {
            "Group": group_label(item["group"]),
            **_cases(output, item),
            "Odds of the condition at an equal score": numbers.with_interval(
                item.get("odds_ratio"), "ratio"
            ),
        }


def _missing_rows(held: Entry, output: Entry) -> Iterable[dict[str, str]]:
    for item in held.get("unknown") or []:
        yield {
            "What": f"{humanised(item['attribute'])} is unknown",
            "Group": "Everybody",
            "Missing": _full(item.get("share"), "prevalence"),
            "Most in": "",
        }
    variables = held.get("variables")
    for item in _telling(variables, output) if isinstance(variables, list) else []:
        yield {
            "What": "Values are missing",
            "Group": group_label(item["group"]),
            "Missing": f"{numbers.with_interval(item['share'], 'percent')}, the rest "
            f"{numbers.with_interval(item['reference_share'], 'percent')}",
            "Most in": ", ".join(inside(humanised(v["variable"])) for v in item["largest"]),
        }


def _population_rows(held: Entry, output: Entry) -> Iterable[dict[str, str]]:
    del output
    for attribute in held["attributes"]:
        for item in attribute.get("levels", []):
            yield {
                "Group": f"{humanised(attribute['attribute'])} {level_label(item['level'])}",
                "Share of the sample": _full(item.get("cohort"), "prevalence"),
                "Share of the population": numbers.number(item["population"], "percent"),
                "Ratio": numbers.with_interval(item.get("ratio"), "ratio"),
            }


_PANELS: tuple[tuple[str, str, Rows], ...] = (
    ("Case mix", "standardised_gaps", _mix_rows),
    ("Prevalence", "common_prevalence", _mix_rows),
    ("Labels that may be wrong", "label_error", _label_rows),
    ("A label that measures something else", "label_choice", _choice_rows),
    ("The same score, another risk", "independence", _odds_rows),
    ("What is missing", "missingness", _missing_rows),
)

_MEANING = {
    "standardised_gaps": "The gap if both sides had the same mix of the other attributes. A gap "
    "that shrinks came with the patients; one that stays did not come from these attributes.",
    "common_prevalence": "Precision and reassurance of a flag, had both sides the same prevalence.",
    "label_error": "How wrong this group's labels would have to be for the gap to be nothing but "
    "label error.",
    "label_choice": "The same scores against a second label that measures need in another way.",
    "independence": "Above 1: at the same score this group is sicker than the rest, so the score "
    "understates it.",
    "missingness": "Labels and values that are missing more often in some groups.",
    "representativeness": "Shares of the sample beside those of the declared target population.",
}

_FORMULA = "TP/n - FP/n · t/(1 - t)"


def _full(estimate: Entry | None, metric: str = "tpr") -> str:
    return numbers.full(estimate, metric) if estimate else numbers.MISSING
