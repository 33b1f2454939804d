"""Sections of the reports page: exports, verification, declared fields, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from audits.reporting.naming import own_item
from dashboard.evidence import model_keys, model_label
from dashboard.identity import current
from dashboard.queries import reports
from dashboard.views.context import Context
from dashboard.views.elements import show_frame, show_table
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, word

STATES = ("not_available", "attested", "declared", "computed")
OWN = "own"
_PLACES = {"See models.": "On the model's card.", "See outputs.": "In the bias audit."}
OWN_NAME = "The policy and the model cards"


def profile_part(chosen: Context) -> list[str]:
    """Let a person choose which laws and guidelines a report answers."""
    held = dict.fromkeys(r["profile"] for r in chosen.evidence["requirements"] if r.get("profile"))
    names = {profile.id: profile.name for profile in reports.known_profiles()}
    return st.multiselect(
        "The report answers",
        list(held),
        key="report_profiles",
        format_func=lambda name: names.get(name, name),
        placeholder="Every law and guideline of the run",
    )


def download_part(chosen: Context, profiles: Sequence[str]) -> None:
    """Offer the evidence and its tables; each file is made when it is asked for."""
    st.header("Exports", anchor=False)
    release = {
        "internal": "exact counts, for use on site",
        "restricted": "counts of 1 to 10, and what would reveal them, are masked",
    }[chosen.evidence["release"]]
    st.caption(
        f"Everything is made from evidence.json at release {chosen.evidence['release']}: {release}."
    )
    with st.container(horizontal=True):
        for form in reports.offered_forms():
            st.download_button(
                word("export", form).label,
                data=partial(reports.export_bytes, chosen.ref, form, tuple(profiles)),
                file_name=reports.file_name(chosen.ref, form),
                mime=reports.MIME[form],
                key=f"export_{form}",
                help=word("export", form).definition,
                on_click="ignore",
                icon=":material/download:",
            )
        st.download_button(
            "manifest.json",
            data=partial(reports.manifest_bytes, chosen.ref),
            file_name="manifest.json",
            mime="application/json",
            key="manifest_json",
            help="The sha256 of every file of the run.",
            on_click="ignore",
            icon=":material/download:",
        )


CASE_FORMS = (
    ("pdf", "Page for a clinician", "pdf", "application/pdf"),
    ("fhir", "FHIR R4 bundle", "json", "application/fhir+json"),
    ("dicom", "DICOM objects", "zip", "application/zip"),
)
"""Format, words, ending and media type of each export of a case."""


def case_part(chosen: Context) -> None:
    """Offer exports of one case; each is made when it is asked for."""
    person = current()
    st.header("One case", anchor=False)
    if person is None or not person.may("see_cases"):
        st.caption("Your role sees groups, not single patients.")
        return
    st.caption(
        "Risk, basis, counter-evidence and reliability for the patient's groups. The patient is "
        "named by the study's own id; images are in DICOM objects alone."
    )
    keys = model_keys(chosen.evidence)
    first, second = st.columns(2)
    case = first.text_input("Case", key="report_case", placeholder="Id of an explained case")
    model = second.selectbox(
        "Model", keys, key="report_case_model", format_func=model_label, disabled=not keys[1:]
    )
    form = st.segmented_control(
        "As", [f[0] for f in CASE_FORMS], default="pdf", key="report_case_form",
        format_func={f[0]: f[1] for f in CASE_FORMS}.__getitem__,
    )  # fmt: skip
    if not st.button("Make it", key="report_case_make", disabled=not (case and form)):
        return
    _, _, ending, mime = next(f for f in CASE_FORMS if f[0] == form)
    about = reports.case_question(case, model if keys else None, None)
    st.download_button(
        f"Download {case.strip()}.{ending}",
        data=reports.case_bytes(chosen.ref, str(form), about),
        file_name=f"{case.strip()}.{ending}",
        mime=mime,
        key="report_case_file",
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
    st.header("Models", anchor=False)
    for model in chosen.evidence.get("models", []):
        key = f"{model['id']}@{model['version']}"
        st.subheader(model_label(key), anchor=False)
        declared = model.get("declared") or model.get("card") or {}
        rows = [{"Field": "Weights, sha256", "Value": f"`{model.get('weights_sha256')}`"}]
        rows += [{"Field": humanised(k), "Value": str(v)} for k, v in declared.items()]
        show_table(rows, alt=f"Declared fields of {model_label(key)}")


def requirement_part(chosen: Context, profiles: Sequence[str] = ()) -> None:
    """List what a reader is owed, and its state, one law or guideline at a time."""
    st.header("What the evidence states", anchor=False)
    items = reports.stated(chosen.ref, profiles)
    if not items:
        st.write("This run lists no requirements.")
        return
    by_profile: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        by_profile.setdefault(str(item.get("profile") or OWN), []).append(item)
    names = {profile.id: profile.name for profile in reports.known_profiles()}
    show_table(
        [_profile_row(names.get(key, OWN_NAME), held) for key, held in by_profile.items()],
        alt="Laws, guidelines and the policy, with the states of their items",
    )
    st.caption(
        "A state says what the evidence, the model cards and the sign-off hold. It does not say "
        "that a duty is met."
    )
    key = pick_one(
        "Look closer",
        list(by_profile),
        key="requirement_profile",
        format_func=lambda name: names.get(name, OWN_NAME),
    )
    ranked = sorted(by_profile[key], key=lambda item: STATES.index(item["state"]))
    rows = [
        {
            "State": f"{word('state', item['state']).symbol} {word('state', item['state']).label}",
            "Item": item.get("name") or own_item(item["id"]),
            "Citation": item.get("citation") or "policy or model card",
            "Where, or why not": _PLACES.get(item["reason"], item["reason"]),
        }
        for item in ranked
    ]
    show_table(rows, alt=f"Items of {names.get(key, OWN_NAME)}, missing ones first")


def _profile_row(name: str, items: list[dict[str, Any]]) -> dict[str, str]:
    row = {"Asked by": name}
    for state in STATES:
        shown = word("state", state)
        row[f"{shown.symbol} {shown.label}"] = str(sum(i["state"] == state for i in items))
    status = next((str(i["status"]) for i in items if i.get("status")), "")
    return {**row, "Status": status}


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
