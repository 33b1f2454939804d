"""Sections of the comparison of two versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from audits.policy.gate_data import side_names
from dashboard import series, state
from dashboard.charts import CasePair
from dashboard.evidence import (
    find_output,
    first_of_family,
    group_label,
    model_label,
    next_version,
    output_keys,
)
from dashboard.queries import versions as queries
from dashboard.queries.versions import Flips, Sides
from dashboard.views.compare_bands import bands_part, shrunk_part
from dashboard.views.compare_changes import changes_part
from dashboard.views.context import Context
from dashboard.views.elements import show_chart, show_frame
from dashboard.views.pickers import pick_one
from dashboard.words import word

LINKED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The two versions and their entries for the chosen output."""

    base: str
    candidate: str
    base_entry: dict[str, Any]
    candidate_entry: dict[str, Any]


def pick_versions(chosen: Context) -> Versions | None:
    """Show the pickers of base and candidate, or return None where there is only one version."""
    found = [
        key.model
        for key in output_keys(chosen.evidence)
        if key.name == chosen.output.name and key.model
    ]
    if len(found) < 2:  # noqa: PLR2004 - a pair
        return None
    left, right = st.columns(2)
    with left:
        base = pick_one(
            "Base", found, key=state.BASE, default=first_of_family(found), format_func=model_label
        )
    with right:
        candidate = pick_one(
            "Candidate",
            [key for key in found if key != base],
            key=state.CANDIDATE,
            default=next_version(base, found),
            format_func=model_label,
        )
    state.write_address()
    first = find_output(chosen.evidence, base, chosen.output.name)
    second = find_output(chosen.evidence, candidate, chosen.output.name)
    if first is None or second is None:
        return None
    return Versions(base=base, candidate=candidate, base_entry=first, candidate_entry=second)


def held_by(comparison: Mapping[str, Any], versions: Versions) -> bool:
    """Return whether a run's comparison is of these versions."""
    sides = (("base", versions.base), ("candidate", versions.candidate))
    return all(mine in side_names(comparison, side) for side, mine in sides)


def paired_part(chosen: Context, versions: Versions) -> None:
    """Show the run's paired differences, where it holds them."""
    held = chosen.evidence.get("comparison") or {}
    entry = next((o for o in held.get("outputs", []) if o["name"] == chosen.output.name), None)
    if entry is None or not held_by(held, versions):
        st.caption(
            "This run holds each version's estimates, not their paired differences. For tests on "
            "the same cases: `auscult compare --study DIR --base DIR --candidate DIR --out RUN`."
        )
        return
    changes_part(held, entry, may_leave=chosen.may_leave)
    bands_part(entry)
    shrunk_part(entry)


def metric_part(versions: Versions, metric: str) -> None:
    """Show both versions' estimates per group as a paired forest plot."""
    st.caption(f"{word('metric', metric).definition} `{word('metric', metric).formula}`")
    names = (model_label(versions.base), model_label(versions.candidate))
    marginal = [g for g in versions.base_entry["groups"] if len(g["attributes"]) == 1]
    chart = series.paired_forest(
        versions.base_entry, versions.candidate_entry, metric, names, marginal
    )
    show_chart(chart, key=f"paired_{metric}")
    crossed = [g for g in versions.base_entry["groups"] if len(g["attributes"]) > 1]
    if crossed and st.toggle("Also the crossed groups", key="paired_crossed"):
        chart = series.paired_forest(
            versions.base_entry, versions.candidate_entry, metric, names, crossed
        )
        show_chart(chart, key=f"paired_crossed_{metric}")


def flips_part(chosen: Context, versions: Versions) -> None:
    """Show which cases are called differently, with links into Case review."""
    before = versions.base_entry["threshold"]["value"]
    after = versions.candidate_entry["threshold"]["value"]
    if before is None or after is None:
        st.write("A version has no threshold, so no case is called.")
        return
    sides = Sides(
        ref=chosen.ref,
        output=chosen.output.name,
        base=versions.base,
        base_threshold=before,
        candidate=versions.candidate,
        candidate_threshold=after,
    )
    names = (model_label(versions.base), model_label(versions.candidate))
    found = queries.flips(sides, names)
    st.markdown(
        f"Of {found.n:,} cases with a label, **{found.n_better:,}** are called correctly only "
        f"by {names[1]} and **{found.n_worse:,}** only by {names[0]}. "
        + word("term", "flip").definition
    )
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        show_chart(found.chart, key="agreement", download=chosen.may_leave)
    with right:
        _links(chosen, versions, f"No longer called correctly ({found.n_worse:,})", found.worse)
        _links(chosen, versions, f"Now called correctly ({found.n_better:,})", found.better)
    _every(chosen, versions, found)
    _by_group(found)


def _links(chosen: Context, versions: Versions, title: str, pairs: Sequence[CasePair]) -> None:
    st.markdown(f"**{title}**")
    for pair in pairs[:LINKED]:
        what = {True: "has the condition, ", False: "", None: ""}[pair.positive]
        text = f"{pair.case}: {what}{pair.base:.0%} to {pair.candidate:.0%}"
        side_by_side(chosen, versions, pair.case, text)


def _every(chosen: Context, versions: Versions, found: Flips) -> None:
    """List every changed call, each linked to its case; newly missed and newly found first."""
    listed = [*found.worse, *found.better]
    total = found.n_worse + found.n_better
    if total <= 2 * LINKED:
        return
    first = "" if len(listed) == total else f", the {len(listed):,} that weigh most"
    part = st.expander(f"All {total:,} changed calls{first}", key="all_flips", on_change="rerun")
    if not part.open:
        return
    import pandas as pd

    names = (model_label(versions.base), model_label(versions.candidate))
    frame = pd.DataFrame(
        [
            {
                "Case": _address(chosen, versions, pair.case),
                "Change": "now correct" if pair.change == "better" else "no longer correct",
                "Has the condition": "yes" if pair.positive else "no",
                names[0]: pair.base,
                names[1]: pair.candidate,
            }
            for pair in listed
        ]
    )
    share = st.column_config.NumberColumn(format="percent")
    link = st.column_config.LinkColumn(
        display_text=r"case=([^&]*)$", help="Opens the case, both versions side by side."
    )
    with part:
        show_frame(
            frame,
            key="flips_listed",
            alt="Every changed call with a link to its case",
            column_config={"Case": link, **dict.fromkeys(names, share)},
        )


def _address(chosen: Context, versions: Versions, case: str) -> str:
    """Return the address of a case in Case review, the id last."""
    return "case?" + urlencode(_beside(chosen, versions, case))


def _beside(chosen: Context, versions: Versions, case: str) -> dict[str, str]:
    return {
        "run": chosen.evidence["run"]["id"],
        "model": versions.candidate,
        "output": chosen.output.name,
        "beside": versions.base,
        "case": case,
    }


def side_by_side(chosen: Context, versions: Versions, case: str, text: str) -> None:
    """Link to a case in Case review, both versions side by side."""
    st.page_link(
        "app_pages/case_review.py",
        label=text,
        query_params=_beside(chosen, versions, case),
    )


def _by_group(found: Flips) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        [
            {
                "Group": group_label({name: level}),
                "Cases": n,
                "No longer correct": worse,
                "Of these newly missed": missed,
                "Now correct": better,
                "Of these newly found": newly_found,
                "Net": better - worse,
            }
            for name, level, better, worse, n, missed, newly_found in found.groups
        ]
    )
    if len(frame):
        counts = st.column_config.NumberColumn(format="localized")
        show_frame(
            frame,
            key="flips_by_group",
            alt="Changed calls by group, for better and worse",
            column_config=dict.fromkeys(frame.columns[1:], counts),
        )
