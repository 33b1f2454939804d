"""Ask for the test of an explanation, and wait for it without holding up the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.queries import checking, explanations
from dashboard.queries.explanations import Wanted
from dashboard.views import states

CHECKS = "checks_running"
PROBLEM = "check_problem"


def check_part(wanted: Wanted, entry: Mapping[str, Any]) -> None:
    """Offer to test an explanation that was not tested yet, or show that it is being tested.

    Args:
        wanted: Which explanation.
        entry: It, as read.
    """
    if explanations.reliability(entry) != "not_checked":
        return
    what = "map" if entry.get("map") else "ranking"
    problem = st.session_state.pop(PROBLEM, None)
    if problem:
        states.problem(f"The {what} could not be tested", problem)
    running: dict[Wanted, str] = st.session_state.setdefault(CHECKS, {})
    if wanted in running:
        _follow(wanted, what)
        return
    if st.button(f"Check this {what}", key=f"check_{wanted.model}", icon=":material/rule:"):
        with states.guarded("The test cannot start"):
            running[wanted] = checking.start_check(wanted).key
            st.rerun()


@st.fragment(run_every=1.0)
def _follow(wanted: Wanted, what: str) -> None:
    """Look once a second whether the test has ended; the page is drawn again when it has."""
    running: dict[Wanted, str] = st.session_state.setdefault(CHECKS, {})
    job = checking.check_job(running.get(wanted, ""))
    if job is None or job.ended:
        running.pop(wanted, None)
        if job is not None and job.state != "done":
            st.session_state[PROBLEM] = job.message
        st.rerun()
        return
    where = "waiting for another test" if job.state == "queued" else "against random ones"
    st.caption(f":material/hourglass_top: Testing this {what}, {where}. Go on reading meanwhile.")
