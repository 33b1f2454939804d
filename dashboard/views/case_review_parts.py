"""A person's own view of a case: an estimate before the prediction, agreement after it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from audits.storage import CaseReview
from audits.storage.reviews import FORMATS
from dashboard import identity, numbers, state
from dashboard.evidence import model_label
from dashboard.identity import Person
from dashboard.queries import reviews
from dashboard.queries.cases import CaseFacts
from dashboard.views import states
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import inside

NOT_YOURS = "Only clinicians record what they think of a case; here you look on."


def blind_toggle() -> bool:
    """Offer to estimate before the prediction is seen; return whether that is wanted."""
    state.restore_flag(state.BLIND)
    wanted = st.toggle(
        "Your estimate first",
        key=state.BLIND,
        help="Hides predictions, labels and explanations of a case until you have given your own "
        "estimate of it. Seeing a prediction first pulls a reader towards it.",
    )
    state.keep(state.BLIND)
    return wanted


def given_estimate(chosen: Context, case: str) -> CaseReview | None:
    """Return the looking person's own estimate of a case, or None."""
    person = _person()
    return reviews.own_estimate(chosen.ref, chosen.output.name, case, person)


def estimate_part(chosen: Context, facts: CaseFacts) -> None:
    """Ask for an own estimate; everything the model says stays hidden until it is given."""
    person = _person()
    with st.container(border=True, key="estimate"):
        st.subheader("Your estimate first", anchor=False)
        if not person.may("record"):
            st.write(NOT_YOURS)
            return
        st.write(
            f"How likely is {inside(chosen.output.label)} in this patient? The prediction, the "
            "label and the explanation are shown once you have answered."
        )
        with st.form(f"estimate_{chosen.output.name}_{facts.case}", border=False):
            percent = st.slider(
                "Your estimate, in %", min_value=0, max_value=100, value=50, step=1, format="%d %%"
            )
            given = st.form_submit_button("Give this estimate")
        if given:
            with states.guarded("The estimate cannot be kept"):
                _keep(chosen, facts, person, "estimate", estimate=percent / 100)
                st.rerun()


def told_estimate(given: CaseReview, facts: CaseFacts) -> None:
    """Set the person's own estimate beside the prediction."""
    own = numbers.number(given.own_estimate, "percent")
    beside = numbers.number(facts.risk, "percent")
    st.caption(f"You estimated {own} before seeing {beside}, on {numbers.day(given.time)}.")


def opinion_part(chosen: Context, facts: CaseFacts) -> None:
    """Let a clinician agree or disagree, and show what was said so far."""
    person = _person()
    if not person.may("record"):
        st.caption(NOT_YOURS)
    else:
        _opinion_form(chosen, facts, person)
    said = reviews.of_case(chosen.ref, chosen.output.name, facts.case)
    if said:
        show_table([_told(review) for review in said], alt="What was said about this case")
    st.caption(
        f"Reviews of this run: {reviews.count(chosen.ref):,}. They are kept in the store, "
        "never in the run, and lines are only ever added."
    )
    with st.container(horizontal=True):
        for form in FORMATS:
            st.download_button(
                f"Download {form.upper()}",
                data=partial(reviews.export, chosen.ref, form),
                file_name=f"reviews-{chosen.evidence['run']['id']}.{form}",
                mime={"csv": "text/csv", "json": "application/json"}[form],
                key=f"reviews_{form}",
                on_click="ignore",
                icon=":material/download:",
            )


def _opinion_form(chosen: Context, facts: CaseFacts, person: Person) -> None:
    told = f"{model_label(chosen.model)} on {inside(chosen.output.label)}"
    with st.form(f"opinion_{chosen.output.name}_{facts.case}", clear_on_submit=True):
        kind = st.segmented_control(
            f"Do you agree with {told}?",
            ["agree", "disagree"],
            format_func={"agree": "✓ I agree", "disagree": "✗ I disagree"}.__getitem__,
        )
        reason = st.text_area(
            "Why",
            placeholder="What speaks for or against it; a disagreement needs a reason",
            height=90,
            max_chars=2000,
        )
        st.caption("Name findings, not people: the text leaves with the export.")
        kept = st.form_submit_button("Record", icon=":material/edit_note:")
    if not kept:
        return
    if kind is None:
        states.problem("Nothing was recorded", "Choose whether you agree or disagree.")
        return
    with states.guarded("Nothing was recorded"):
        _keep(chosen, facts, person, kind, reason=reason)
        st.success(f"Recorded: {person.name} {kind}s.", icon=":material/check:")


def _keep(chosen: Context, facts: CaseFacts, person: Person, kind: str, **said: object) -> None:
    reviews.keep(
        chosen.ref,
        facts,
        person,
        kind,  # type: ignore[arg-type]  # one of the three
        model=chosen.model,
        output=chosen.output.name,
        threshold=chosen.entry["threshold"]["value"],
        **said,  # type: ignore[arg-type]  # estimate or reason
    )


def _told(review: CaseReview) -> dict[str, str]:
    own = f"own estimate {numbers.number(review.own_estimate, 'percent')}"
    said = {"estimate": own, "agree": "✓ agrees", "disagree": "✗ disagrees"}[review.kind]
    return {
        "When": numbers.day(review.time),
        "Who": f"{review.reviewer} ({review.role})",
        "Version": model_label(review.model or None),
        "Said": said,
        "Why": review.reason or "–",
    }


def _person() -> Person:
    return identity.current() or Person(name="nobody", roles=(), signed_in=False)
