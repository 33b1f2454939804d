"""Sign-off on the reports page: what is missing, what people declare, decide and sign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.identity import Person, current
from dashboard.queries import signing
from dashboard.views import states
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import word

METRICS = ("tpr", "fpr", "auroc", "oe_ratio", "ppv", "npv")
"""Measures for which a limit may be declared after the run."""

_DONE = "signoff_done"
LONG = 12
"""Rows of a register that are shown without scrolling."""


def signoff_part(chosen: Context, profiles: Sequence[str]) -> None:
    """Show where the sign-off stands, and take what a person adds to it."""
    person = current()
    found = signing.standing(chosen.ref, profiles)
    done = st.session_state.pop(_DONE, None)
    if done:
        st.success(done, icon=":material/check:")
    left, right = st.columns([1, 1], gap="large")
    with left:
        _state(chosen, found)
        _signatures(found)
        _missing(found)
    with right:
        if person is None:
            st.write("Sign in to declare, decide or sign.")
        elif found.signoff.final:
            _reopen_form(chosen, person)
        else:
            _forms(chosen, person, found, profiles)
    _register_table(found)


def _state(chosen: Context, found: signing.Standing) -> None:
    signoff = found.signoff
    if signoff.final:
        st.markdown(
            f"**Edition {signoff.edition} is final**, {numbers.day(signoff.final['time'])}, by "
            f"{signoff.final['by']}. It is never edited, only superseded."
        )
    else:
        st.markdown(
            f"**Edition {signoff.edition} is a draft.** A later change undoes the signatures "
            "before it."
        )
    for edition in range(1, signoff.edition + 1):
        data = signing.filed_report(chosen.ref, edition)
        if data is not None:
            st.download_button(
                f"Filed report, edition {edition}",
                data=data,
                file_name=f"{chosen.evidence['run']['id']}-edition-{edition}.pdf",
                mime="application/pdf",
                key=f"filed_{edition}",
                on_click="ignore",
                icon=":material/verified:",
            )


def _signatures(found: signing.Standing) -> None:
    signed, decisions = found.signoff.attestations, signing.decision_labels()
    rows = []
    for role, label in signing.signature_labels().items():
        one = signed.get(role)
        waits = "undone by a later change" if role in found.signoff.stale else "not signed"
        rows.append(
            {
                "Role": label,
                "Name": str(one["by"]) if one else f"*{waits}*",
                "Date": numbers.day(one["time"]) if one else "–",
                "Decision": decisions[one["decision"]] if one else "–",
                "Note": str(one["note"]) or "–" if one else "–",
            }
        )
    show_table(rows, alt="Signatures")


def _missing(found: signing.Standing) -> None:
    stands = found.stands
    if stands.suppression:
        st.error(
            f"Small counts are not masked in: {', '.join(stands.suppression)}.",
            icon=":material/visibility_off:",
        )
    if not stands.blank:
        st.markdown("No required field is blank.")
        return
    names = "; ".join(signing.field_label(name) for name in stands.blank)
    with st.expander(f"{len(stands.blank)} required fields are blank"):
        st.write(f"{names}.")
        st.caption("Fill each, or say why it stays empty. Fewer profiles ask for fewer fields.")


def _forms(
    chosen: Context, person: Person, found: signing.Standing, profiles: Sequence[str]
) -> None:
    by = st.text_input(
        "Your name and position",
        value=person.name,
        key="signoff_by",
        disabled=person.signed_in,
        help="Printed in the report with the time of each entry.",
    )
    by = person.name if person.signed_in else by
    kinds: dict[str, Callable[[], None]] = {
        "Sign": lambda: _sign_form(chosen, by, person, profiles)
    }
    if person.may("export"):
        kinds = {
            "Declare": lambda: _declare_form(chosen, by, found),
            "Act": lambda: _action_form(chosen, by, found),
            "Inputs": lambda: _input_form(chosen, by),
            "Limit": lambda: _limit_form(chosen, by),
            "Reviews": lambda: _reviews_form(chosen, by),
            **kinds,
        }
    if person.may("sign"):
        kinds["Finalise"] = lambda: _final_form(chosen, by, found, profiles)
    kind = st.segmented_control(
        "What do you add?", list(kinds), default=next(iter(kinds)), key="signoff_kind", wrap=True
    )
    if kind:
        kinds[kind]()


def _done(action: Callable[[], Any], said: str) -> None:
    """Do something, say so after the page has run again, or say why it was refused."""
    with states.guarded("Nothing was recorded"):
        action()
        st.session_state[_DONE] = said
        st.rerun()


def _declare_form(chosen: Context, by: str, found: signing.Standing) -> None:
    blank = list(found.stands.blank)
    others = [name for name in signing.all_fields() if name not in blank]
    with st.form("signoff_declare", clear_on_submit=True):
        fields = st.multiselect(
            "Fields",
            [*blank, *others],
            format_func=signing.field_label,
            placeholder="Blank ones come first",
        )
        text = st.text_area("Text", height=90, max_chars=4000)
        absent = st.checkbox("The text says why there is nothing to declare")
        if st.form_submit_button("Declare", icon=":material/edit:"):
            if not fields:
                states.problem("Nothing was recorded", "Choose at least one field.")
                return
            _done(
                lambda: signing.declare(chosen.ref, fields, by, text, absent=absent),
                f"Declared: {', '.join(map(signing.field_label, fields))}.",
            )


def _action_form(chosen: Context, by: str, found: signing.Standing) -> None:
    entries = {one.number: one for one in found.register}
    if not entries:
        st.write("No disparity asks for an action.")
        return
    with st.form("signoff_action", clear_on_submit=True):
        number = st.selectbox(
            "Disparity",
            list(entries),
            format_func=lambda at: f"{at}. {entries[at].sentence}",
        )
        owner = st.text_input("Who acts")
        due = st.date_input("Until", value=None, format="YYYY-MM-DD")
        action = st.text_area("What is done to mitigate", height=90, max_chars=2000)
        if st.form_submit_button("Enter", icon=":material/assignment_ind:"):
            said = {"owner": owner, "due": str(due or ""), "action": action}
            _done(
                lambda: signing.act(chosen.ref, number, by, **said),
                f"Entered for disparity {number}.",
            )


def _input_form(chosen: Context, by: str) -> None:
    names = signing.input_names(chosen.ref)
    if not names:
        st.write("The run lists no inputs.")
        return
    with st.form("signoff_input", clear_on_submit=True):
        name = st.selectbox("Input", names)
        decision = st.segmented_control("Decision", signing.input_decisions(), default="keep")
        reason = st.text_area("Justification", height=90, max_chars=2000)
        if st.form_submit_button("Decide", icon=":material/gavel:"):
            _done(
                lambda: signing.decide(chosen.ref, name, by, str(decision), reason),
                f"Decided on {name}: {decision}.",
            )


def _limit_form(chosen: Context, by: str) -> None:
    with st.form("signoff_limit", clear_on_submit=True):
        metric = st.selectbox("Measure", METRICS, format_func=lambda m: word("metric", m).label)
        value = st.number_input("Limit", min_value=0.001, value=0.05, step=0.01, format="%.3f")
        reason = st.text_area("Reason", height=90, max_chars=2000)
        st.caption("It is printed as exploratory: a limit declared after the run moves no verdict.")
        if st.form_submit_button("Declare", icon=":material/straighten:"):
            _done(
                lambda: signing.limit(chosen.ref, metric, float(value), by, reason),
                "Declared, as exploratory.",
            )


def _reviews_form(chosen: Context, by: str) -> None:
    st.write(
        "Enters how often people agreed and disagreed with single predictions of this run, as "
        "they said on Case review. No case is named."
    )
    if st.button("Enter the counts", key="signoff_reviews", icon=":material/rate_review:"):
        _done(lambda: signing.enter_reviews(chosen.ref, by), "Entered what people said.")


def _sign_form(chosen: Context, by: str, person: Person, profiles: Sequence[str]) -> None:
    roles, decisions = signing.role_labels(person), signing.decision_labels()
    if not roles:
        st.write("Your role gives no signature.")
        return
    st.download_button(
        "Read the report before you sign it",
        data=partial(signing.report_as_it_stands, chosen.ref, tuple(profiles)),
        file_name=f"{chosen.evidence['run']['id']}-draft.pdf",
        mime="application/pdf",
        key="signoff_draft",
        on_click="ignore",
        icon=":material/menu_book:",
    )
    with st.form("signoff_sign", clear_on_submit=True):
        role = st.selectbox("Sign as", list(roles), format_func=roles.__getitem__)
        decision = st.segmented_control(
            "Decision", list(decisions), format_func=decisions.__getitem__, default="approve"
        )
        note = st.text_area("Conditions or reasons", height=90, max_chars=2000)
        if st.form_submit_button("Sign", icon=":material/signature:"):
            _done(
                lambda: signing.sign(chosen.ref, role, by, str(decision), note),
                f"Signed: {roles[role]}, {by}.",
            )


def _final_form(chosen: Context, by: str, found: signing.Standing, profiles: Sequence[str]) -> None:
    stands = found.stands
    counts = [
        (len(stands.blank), "required field is blank", "required fields are blank"),
        (len(stands.unsigned), "signature is missing", "signatures are missing"),
        (len(stands.suppression), "part is not masked", "parts are not masked"),
    ]
    waits = "; ".join(f"{n} {one if n == 1 else many}" for n, one, many in counts if n)
    st.write(f"Not yet: {waits}." if waits else "Nothing stands in the way.")
    st.caption("The report is filed in the run folder as PDF and can then only be superseded.")
    if st.button(
        "Finalise this edition",
        key="finalise",
        icon=":material/lock:",
        disabled=not stands.none,
    ):
        _done(
            lambda: signing.close(chosen.ref, by, profiles),
            f"Edition {found.signoff.edition} is final.",
        )


def _reopen_form(chosen: Context, person: Person) -> None:
    if not person.may("sign"):
        st.write("Only a reviewer opens a new edition.")
        return
    with st.form("signoff_reopen"):
        reason = st.text_area("Why a new edition is needed", height=90, max_chars=2000)
        if st.form_submit_button("Open a new edition", icon=":material/lock_open:"):
            _done(lambda: signing.reopen(chosen.ref, person.name, reason), "A new edition is open.")


def _register_table(found: signing.Standing) -> None:
    if not found.register:
        return
    st.header(f"Register of disparities ({len(found.register)})", anchor=False)
    rows = [
        {
            "No.": str(one.number),
            "Disparity": one.sentence,
            "Owner": one.owner or "*nobody*",
            "Due": one.due or "–",
        }
        for one in found.register
    ]
    # A long register scrolls; a short one is shown whole, its last row not cut.
    with st.container(height=480 if len(rows) > LONG else "content", border=False):
        show_table(rows, alt="Register of disparities with owner and due date")
