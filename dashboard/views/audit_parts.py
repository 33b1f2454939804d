"""Sections of the bias audit, in the order a reviewer reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import numbers, series, state
from dashboard.evidence import (
    by_concern,
    comparisons,
    is_intersection,
    verdict_counts,
)
from dashboard.queries import policies
from dashboard.views.context import Context
from dashboard.views.declare import declare_button
from dashboard.views.elements import (
    csv_button,
    show_chart,
    show_frame,
    show_table,
    verdict_line,
)
from dashboard.views.shortcut_parts import shortcut_context_part, suspects_part
from dashboard.views.size_parts import NO_CLASSES
from dashboard.words import humanised, label, notice, word

_NO_DECISION = {
    "regression": "The output is a number: its errors are judged, at no threshold.",
    "ordinal": "The output is a grade: its agreement is judged, at no threshold.",
    "segmentation": "The output is a region: its overlap with the true one is judged.",
}
SETTLED_ROWS = 12
"""Rows read at once, every disparity besides; the whole list stays one click away."""


def declaration_part(chosen: Context) -> None:
    """Show what was fixed before results existed: policy, hash, margins with their reasons."""
    evidence = chosen.evidence
    declared, policy = evidence["declaration"], evidence.get("policy", {})
    audit = policy.get("audit", {})
    threshold = chosen.entry["threshold"]
    with st.container(border=True, key="declaration"):
        st.header("Declared before any result", anchor=False)
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.markdown(
                f"**{declared.get('by')}**, declared {numbers.day(declared.get('time'))}, "
                f"hash `{numbers.short_hash(declared.get('policy_sha256'))}`"
            )
            st.markdown(
                f"Groups: {_names(audit.get('groups'))}. Crossed: {_crossed(audit)}. "
                f"Level {audit.get('alpha', 0.05)} over the whole run."
            )
            st.markdown(_decision_sentence(chosen.entry, threshold))
        with right:
            prior = len(evidence.get("prior_runs", []))
            st.markdown(
                f"Data: {word('scope', chosen.entry['scope']).label}. "
                f"Earlier runs of this study or model known here: {prior}."
                + "".join(f" Since the latest: {told}." for told in policies.moved(evidence))
            )
            with st.popover("Margins and their reasons", icon=":material/rule:"):
                show_table(_margin_rows(policy), alt="Declared margins and their reasons")
                st.code(f"policy sha256 {declared.get('policy_sha256')}", language=None)
            declare_button("Declare a new audit", key="declare_anew")


def verdict_part(chosen: Context) -> None:
    """Show every declared comparison, disparities first."""
    counts = verdict_counts([chosen.entry])
    declared = by_concern([c for c in comparisons(chosen.entry) if c.get("verdict")])
    st.markdown(verdict_line(counts))
    st.caption(notice("absence"))
    if not declared:
        st.write("Nothing was declared for this output, so no verdict applies.")
        return
    explored = state.exploring(chosen.subject)
    greyed = explored is not None
    if greyed:
        st.caption(
            f":gray-badge[– Exploring a threshold of {explored:.3f}] {notice('exploratory')}"
        )
    shown = declared[: max(SETTLED_ROWS, counts["disparity"])]
    show_table(
        _verdict_rows(chosen.entry, shown, greyed=greyed),
        alt="Verdicts, gravest first",
    )
    if len(shown) < len(declared):
        st.caption(f"The gravest {len(shown)} of {len(declared)}, every disparity among them.")
    _all_verdicts(chosen.entry, declared)
    meaning = st.expander("What the verdicts mean", key="verdict_words", on_change="rerun")
    if meaning.open:
        told = (word("verdict", name) for name in counts)
        meaning.markdown("\n".join(f"- {entry.badge} {entry.definition}" for entry in told))


def _all_verdicts(entry: Mapping[str, Any], declared: Sequence[Mapping[str, Any]]) -> None:
    """Offer the whole lists; a list is made when it is opened."""
    whole = st.expander(
        f"All {len(declared)} declared comparisons", key="all_verdicts", on_change="rerun"
    )
    if whole.open:
        with whole:
            frame = series.verdict_frame(entry, declared)
            show_frame(frame, key="verdicts", alt="Every declared comparison with its verdict")
            csv_button(frame, name="verdicts", key="verdicts_csv")
    others = [c for c in comparisons(entry) if not c.get("verdict")]
    if not others:
        return
    more = st.expander(
        f"{len(others)} exploratory comparisons, without verdict",
        key="all_exploratory",
        on_change="rerun",
    )
    if more.open:
        with more:
            frame = series.verdict_frame(entry, others)
            show_frame(frame, key="exploratory", alt="Exploratory comparisons")


def forest_part(chosen: Context, metric: str) -> None:
    """Show the marginal groups of one metric as a forest plot."""
    st.caption(f"{word('metric', metric).definition} `{word('metric', metric).formula}`")
    marginal = [g for g in chosen.entry["groups"] if not is_intersection(g)]
    if not marginal:
        st.write("This run has no groups.")
        return
    show_chart(series.group_forest(chosen.entry, metric, marginal), key=f"forest_{metric}")


def map_part(chosen: Context, metric: str) -> None:
    """Show crossed groups as maps, and as a forest where more than two attributes cross."""
    pairs = series.crossed_attributes(chosen.entry)
    for first, second in pairs:
        st.subheader(f"{humanised(first)} and {humanised(second).lower()} together", anchor=False)
        chart = series.group_map(chosen.entry, metric, (first, second))
        show_chart(chart, key=f"map_{first}_{second}_{metric}")
    deeper = [g for g in chosen.entry["groups"] if len(g["attributes"]) > 2]  # noqa: PLR2004
    if deeper:
        st.subheader("More than two attributes together", anchor=False)
        show_chart(series.group_forest(chosen.entry, metric, deeper), key=f"deep_{metric}")


def shortcut_part(chosen: Context) -> None:
    """Show the shortcut audit of this output, if the run holds one."""
    items = [
        item
        for item in (chosen.evidence.get("shortcuts") or {}).get("outputs", [])
        if item["output"] == chosen.output.name and item.get("model") in {None, chosen.model}
    ]
    if not items:
        st.write(
            "This run tested no suspect for this output. Models of images are tested: hiding a "
            "marker, where the study has masks of it, and what the map points at in the border and "
            "outside the anatomy, against hiding a sham of equal size."
        )
    else:
        st.header("Does the model read a shortcut?", anchor=False)
        reasons = chosen.evidence["policy"].get("reasons", {})
        reason = reasons.get("shortcuts.margin_logits")
        suspects_part(chosen.evidence["shortcuts"], items, reason=reason)
    shortcut_context_part(chosen)


def importance_part(chosen: Context) -> None:
    """Show which variables move the score most, over the cases that the run explains."""
    explained = (chosen.evidence.get("explanations") or {}).get(chosen.model or "")
    chart = series.importance(explained, chosen.output.name) if explained else None
    if not explained or chart is None:
        return
    st.header("What moves the score", anchor=False)
    st.caption(
        f"Over {numbers.counted(explained['cases'], 'explained case')}: "
        f"{word('term', 'effect').definition} {word('method', explained['method']).label}."
    )
    show_chart(chart, key="importance")


def threshold_part(chosen: Context) -> None:
    """Let the reader move the threshold; everything shown here is exploratory."""
    from dashboard.views.threshold import threshold_explorer

    threshold_explorer(chosen)


def _names(names: Sequence[str] | None) -> str:
    return ", ".join(humanised(name).lower() for name in names or []) or "none"


def _crossed(audit: Mapping[str, Any]) -> str:
    pairs = audit.get("intersections") or []
    told = [" × ".join(humanised(name).lower() for name in pair) for pair in pairs]
    return ", ".join(told) or "none"


def _decision_sentence(entry: Mapping[str, Any], threshold: Mapping[str, Any]) -> str:
    """Say at what threshold or horizon an output is judged, as far as its task has one."""
    horizon = entry.get("horizon")
    if horizon and horizon.get("value") is not None:
        unit = f" {horizon['unit']}" if horizon.get("unit") else ""
        return f"Risks are judged at the horizon **{horizon['value']:g}{unit}**."
    if entry.get("task") in NO_CLASSES:
        return _NO_DECISION[entry["task"]]
    return _threshold_sentence(threshold)


def _threshold_sentence(threshold: Mapping[str, Any]) -> str:
    if threshold.get("value") is None:
        return "No threshold is declared, so rates at a threshold are not available."
    source = {"model": "the model's maker", "policy": "the policy", "command": "the command line"}
    chosen_on = threshold.get("chosen_on")
    where = f"on data `{numbers.short_hash(chosen_on)}`" if chosen_on else "on data not named"
    return (
        f"A case is flagged from a predicted risk of **{threshold['value']:.4g}**, set by "
        f"{source.get(str(threshold.get('source')), threshold.get('source'))}, chosen {where}."
    )


def _margin_rows(policy: Mapping[str, Any]) -> list[dict[str, str]]:
    reasons = policy.get("reasons", {})
    tested = policy.get("audit", {}).get("verdict_metrics") or list(policy.get("margin", {}))
    return [
        {
            "Measure": label("metric", metric),
            "Margin": series.margin_text({"metric": metric, "margin": margin}),
            "Reason": reasons.get(f"margin.{metric}", "not available"),
        }
        for metric, margin in policy.get("margin", {}).items()
        if metric in tested
    ]


def _verdict_rows(
    output: Mapping[str, Any], items: Sequence[Mapping[str, Any]], *, greyed: bool
) -> list[dict[str, str]]:
    rows = []
    told = series.verdict_frame(output, items).to_dict("records")
    for item, row in zip(items, told, strict=True):
        entry = word("verdict", item["verdict"])
        colour = "gray" if greyed else entry.colour
        rows.append(
            {
                "Verdict": f":{colour}-badge[{row['Verdict']}]",
                "Measure": str(row["Measure"]),
                "Group": str(row["Group"]),
                "Worse off": str(row["Worse off"]),
                "Count": str(row["Group count"]),
                "Difference from the rest (95 %)": str(row["Difference (95 %)"]),
                "q": str(row["q"]),
                "Note": str(row["What would settle it"]),
            }
        )
    return rows
