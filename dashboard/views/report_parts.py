"""Sections of the reports page: exports, verification, declared fields, what is missing."""

from __future__ import annotations

import streamlit as st

from dashboard.evidence import model_label
from dashboard.queries import reports
from dashboard.views.context import Context
from dashboard.views.elements import show_frame, show_table
from dashboard.words import humanised, word

REASON_SHOWN = 160


def download_part(chosen: Context) -> None:
    """Offer the evidence and its tables; each file is made when it is asked for."""
    st.header("Exports", anchor=False)
    release = {
        "internal": "exact counts, for use on site",
        "restricted": "counts of 1 to 10, and what would reveal them, are masked",
    }[chosen.evidence["release"]]
    st.caption(
        f"Everything is made from evidence.json at release {chosen.evidence['release']}: {release}."
    )
    name = f"{chosen.evidence['study']['name']}-{chosen.evidence['run']['id']}"
    with st.container(horizontal=True):
        st.download_button(
            "evidence.json",
            data=lambda: reports.evidence_bytes(chosen.ref),
            file_name=f"{name}-evidence.json",
            mime="application/json",
            key="evidence_json",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Tables (CSV, zipped)",
            data=lambda: reports.tables_bytes(chosen.ref),
            file_name=f"{name}-tables.zip",
            mime="application/zip",
            key="tables_zip",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "manifest.json",
            data=lambda: reports.manifest_bytes(chosen.ref),
            file_name=f"{name}-manifest.json",
            mime="application/json",
            key="manifest_json",
            on_click="ignore",
            icon=":material/download:",
        )


def verify_part(chosen: Context) -> None:
    """Compare the run with its manifest when asked to."""
    st.header("Is it unaltered?", anchor=False)
    st.caption(
        "Compares every file of the run with the sha256 in its manifest, and the internal files "
        "with the hash in the evidence."
    )
    if not st.button("Verify now", key="verify", icon=":material/verified_user:"):
        return
    found = reports.verify(chosen.ref)
    if found.intact:
        st.success(f"Intact: all {found.files} files are as they were written.")
        return
    parts = [
        f"{title}: {', '.join(names)}"
        for title, names in (
            ("altered", found.altered),
            ("missing", found.missing),
            ("added", found.added),
        )
        if names
    ]
    st.error("; ".join(parts), title="Not as it was written", icon=":material/gpp_bad:")


def model_part(chosen: Context) -> None:
    """Show identity and declared fields of every model."""
    for model in chosen.evidence.get("models", []):
        key = f"{model['id']}@{model['version']}"
        st.subheader(model_label(key), anchor=False)
        declared = model.get("declared") or model.get("card") or {}
        rows = [{"Field": "Weights, sha256", "Value": f"`{model.get('weights_sha256')}`"}]
        rows += [{"Field": humanised(k), "Value": str(v)} for k, v in declared.items()]
        show_table(rows, alt=f"Declared fields of {model_label(key)}")


def requirement_part(chosen: Context) -> None:
    """List what a reader is owed, and its state."""
    st.header("What the evidence states", anchor=False)
    items = chosen.evidence.get("requirements", [])
    if not items:
        st.write("This run lists no requirements.")
        return
    order = ["not_available", "attested", "declared", "computed"]
    ranked = sorted(items, key=lambda item: order.index(item["state"]))
    counts = {state: sum(i["state"] == state for i in items) for state in order}
    st.markdown(
        " ".join(
            f":gray-badge[{word('state', s).symbol} {n} {word('state', s).label.lower()}]"
            for s, n in counts.items()
            if n
        )
    )
    rows = [
        {
            "State": f"{word('state', item['state']).symbol} {word('state', item['state']).label}",
            "Item": humanised(item["id"].replace(".", ": ", 1)),
            "Where, or why not": item["reason"][:REASON_SHOWN],
        }
        for item in ranked
    ]
    show_table(rows, alt="Requirements and their state, missing ones first")


def skipped_part(chosen: Context) -> None:
    """List the cases that could not be used."""
    import pandas as pd

    skipped = chosen.evidence.get("skipped", [])
    st.header("Skipped cases", anchor=False)
    if not skipped:
        st.write("Every case could be used.")
        return
    st.caption("All other cases were audited.")
    frame = pd.DataFrame(skipped).rename(columns={"case": "Case", "reason": "Reason"})
    show_frame(frame, key="skipped", alt="Skipped cases and the reason for each")
