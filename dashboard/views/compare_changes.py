"""The paired differences of a run: how many of each verdict, the weightiest, and all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st

from audits.reporting.compared_cases import compared_words
from dashboard import numbers
from dashboard.evidence import group_label
from dashboard.views.elements import csv_button, show_frame, show_table
from dashboard.words import label, word

FIRST = 14
ORDER = ("worse", "better", "inconclusive", "equivalent", "not_evaluable")


def changes_part(
    comparison: Mapping[str, Any], entry: Mapping[str, Any], *, may_leave: bool
) -> None:
    """Show changes for the worse first, and on demand every change of every measure.

    Args:
        comparison: The run's comparison.
        entry: One of its outputs.
        may_leave: Whether tables may be downloaded.
    """
    st.caption(" ".join(compared_words(comparison, entry)))
    told = [
        (group, metric, values)
        for group in entry["groups"]
        for metric, values in group["metrics"].items()
    ]
    judged = [one for one in told if one[2].get("verdict")]
    judged.sort(key=lambda one: ORDER.index(one[2]["verdict"]))
    counts = Counter(values["verdict"] for _, _, values in judged)
    shown = [f"{word('verdict', name).badge} {counts[name]:,}" for name in ORDER if counts[name]]
    if shown:
        st.markdown(" &nbsp; ".join(shown))
    show_table(
        [_row(*one) for one in judged[:FIRST]],
        alt="Paired differences, changes for the worse first",
    )
    whole = st.expander(f"All {len(told):,} changes", key="all_changes", on_change="rerun")
    if whole.open:
        with whole:
            _whole(list(_rest(told, judged)), may_leave=may_leave)


def _rest(told: list[Any], judged: list[Any]) -> Iterator[Any]:
    yield from judged
    yield from (one for one in told if not one[2].get("verdict"))


def _whole(told: list[Any], *, may_leave: bool) -> None:
    import pandas as pd

    frame = pd.DataFrame([_full_row(*one) for one in told])
    st.caption(
        "Beyond the others: the group's change less that of its reference, which is everybody "
        "else where the policy declares none. Measures without a margin get no verdict."
    )
    show_frame(frame, key="changes", alt="Every change with its verdict")
    if may_leave:
        csv_button(frame, name="changes", key="changes_csv")


def _full_row(group: Mapping[str, Any], metric: str, values: Mapping[str, Any]) -> dict[str, str]:
    unit = word("metric", metric).unit
    beyond = values.get("difference_in_differences") or {}
    verdict = values.get("verdict")
    reference = group.get("reference")
    return {
        "Verdict": word("verdict", verdict).label if verdict else "–",
        "Measure": label("metric", metric),
        "Group": group_label(group["attributes"]),
        "Base": numbers.full(values["base"], metric),
        "Candidate": numbers.full(values["candidate"], metric),
        "Change (95 %)": _change(values["delta"], unit),
        "Beyond the others (95 %)": _change(beyond, unit),
        "Others": {None: "–", "rest": "everybody else"}.get(reference, str(reference)),
        "p": numbers.p_text(values.get("p")),
        "q": numbers.p_text(values.get("q")),
    }


def _row(group: Mapping[str, Any], metric: str, values: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Verdict": _verdict(values),
        "Measure": label("metric", metric),
        "Group": group_label(group["attributes"]),
        "Base": numbers.full(values["base"], metric),
        "Candidate": numbers.full(values["candidate"], metric),
        "Change (95 %)": _change(values["delta"], word("metric", metric).unit),
        "q": numbers.p_text(values.get("q")),
    }


def _verdict(values: Mapping[str, Any]) -> str:
    """Return the verdict, and that a change whose size is unsettled is one."""
    badge = word("verdict", values["verdict"]).badge
    differs = values["verdict"] == "inconclusive" and "differs" in (values.get("reason") or "")
    return f"{badge} differs, size unsettled" if differs else badge


def _change(estimate: Mapping[str, Any] | None, unit: str) -> str:
    if (estimate or {}).get("value") is None:
        return "–"
    shown = numbers.signed((estimate or {}).get("value"), unit)
    return f"{shown} ({numbers.interval(estimate, unit, difference=True)})"
