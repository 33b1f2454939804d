"""What stands beside the causal shortcut test: where maps lie, and what features encode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import numbers
from dashboard.views.elements import show_table
from dashboard.words import humanised, word

if TYPE_CHECKING:
    from dashboard.views.context import Context

PLACES = {"border": "Border of the image", "outside_anatomy": "Outside the anatomy"}
POINTED_AT = ("border", "outside_anatomy")


def suspects_part(
    section: Mapping[str, Any], items: Sequence[Mapping[str, Any]], *, reason: str | None
) -> None:
    """Show what removing each suspect does, its verdict, and what that does not establish.

    Args:
        section: The run's shortcut audit.
        items: Its entries of one output.
        reason: Why the policy takes that margin, if it says so.
    """
    show_table([_suspect_row(one) for one in items], alt="Shortcut audit of this output")
    told = f"Effects in log-odds, 95 %. Declared margin: {numbers.number(section['margin'])}. "
    told += f"{reason} " if reason else ""
    told += (
        "The verdict rests on the effect minus that of the sham, q over all suspects of the run."
    )
    if any(one["suspect"] in POINTED_AT for one in items):
        told += (
            " Of the border and the surroundings a patch is hidden, that which the map points at."
        )
    st.caption(told)
    for badge, limit in dict.fromkeys(
        (word("shortcut", one.get("verdict")).badge, one["does_not_establish"])
        for one in items
        if one.get("does_not_establish")
    ):
        st.caption(f"{badge} {limit}")


def suspect_name(suspect: str) -> str:
    """Return a suspect as people name it."""
    return PLACES.get(suspect, humanised(suspect))


def _suspect_row(item: Mapping[str, Any]) -> dict[str, str]:
    ends = item.get("difference_90")
    return {
        "Verdict": word("shortcut", item.get("verdict")).badge,
        "Suspect": suspect_name(item["suspect"]),
        "Effect of hiding it": numbers.with_interval(item.get("effect"), "number"),
        "Of hiding a sham": numbers.with_interval(item.get("sham"), "number"),
        "Effect minus sham (90 %)": " to ".join(map(numbers.number, ends)) if ends else "–",
        "q": numbers.p_text(item.get("q")),
        "Put into negatives": numbers.with_interval(item.get("inserted"), "number"),
        "Share of map / area": f"{_share(item.get('mass_share'))} / "
        f"{_share(item.get('area_share'))}",
        "n": str((item.get("effect") or {}).get("n", "–")),
    }


def _share(value: object) -> str:
    if isinstance(value, Mapping):
        return numbers.with_interval(value, "percent")
    return numbers.number(value if isinstance(value, int | float) else None, "percent")


def shortcut_context_part(chosen: Context) -> None:
    """Show shares, site profiles and probes of the chosen output, where the run holds any."""
    section = chosen.evidence.get("shortcuts") or {}
    shares = [one for one in section.get("shares", []) if _mine(one, chosen)]
    profiles = [one for one in section.get("profiles", []) if _mine(one, chosen)]
    probes = [one for one in section.get("probes", []) if one["model"] == chosen.model]
    if shares:
        st.subheader("Where the maps lie", anchor=False)
        show_table([_share_row(one) for one in shares], alt="Share of the map by place")
    if profiles:
        st.subheader("Do maps differ between sites?", anchor=False)
        show_table([_profile_row(one) for one in profiles], alt="Distance of the sites' mean maps")
    if probes:
        st.subheader("What the features encode, and whether the score uses it", anchor=False)
        rows = [_probe_row(one, chosen.output.name) for one in probes]
        show_table(rows, alt="Probes of the pooled features")
    if shares or profiles or probes:
        st.caption(section["context_establishes"])


def _mine(entry: Mapping[str, Any], chosen: Context) -> bool:
    return bool(entry["output"] == chosen.output.name and entry["model"] == chosen.model)


def _share_row(entry: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Place": suspect_name(entry["where"]),
        "Images": _n(entry.get("mass")),
        "Share of the map": numbers.with_interval(entry.get("mass"), "percent"),
        "Share of the area": numbers.with_interval(entry.get("area"), "percent"),
        "Positives": numbers.with_interval(entry.get("positives"), "percent"),
        "Negatives": numbers.with_interval(entry.get("negatives"), "percent"),
    }


def _n(estimate: Mapping[str, Any] | None) -> str:
    n = (estimate or {}).get("n")
    return "–" if n is None else f"{n:,}"


def _profile_row(entry: Mapping[str, Any]) -> dict[str, str]:
    sites = ", ".join(
        f"{one['level']} {numbers.number(one['distance'])} (n {one['n']})" for one in entry["sites"]
    )
    return {
        "Attribute": humanised(entry["attribute"]),
        "Distance": numbers.number(entry["statistic"]),
        "With sites shuffled": numbers.number(entry["usual"]),
        "p": numbers.number(entry["p"]),
        "q": numbers.number(entry.get("q")),
        "Sites": sites,
    }


def _probe_row(entry: Mapping[str, Any], output: str) -> dict[str, str]:
    use = next((one for one in entry["use"] if one["output"] == output), None)
    row = {
        "Attribute": humanised(entry["attribute"]),
        "Cases": _n(entry.get("auc")),
        "Probe's AUROC within labels": numbers.with_interval(entry.get("auc"), "number"),
        "Score moves without it by": "not available",
        "Without random directions": "not available",
        "p": "not available",
    }
    if use is None:
        return row
    return row | {
        "Score moves without it by": numbers.with_interval(use["effect"], "number"),
        "Without random directions": numbers.number(use["random"]),
        "p": numbers.number(use["p"]),
    }
