"""Start an audit and follow it; the audit itself runs in a process of its own."""

from __future__ import annotations

import streamlit as st

from audits.jobs import Job
from dashboard import identity
from dashboard.queries import audits
from dashboard.queries.runs import RunCard
from dashboard.settings import Settings, read_settings
from dashboard.views import states

WATCHED = "watched_jobs"


def audit_panel(settings: Settings, cards: list[RunCard]) -> None:
    """Show running audits and the form for a new one."""
    st.header("Audits", anchor=False)
    running_part(settings)
    if not st.session_state.get(WATCHED):
        st.caption("No audit is running.")
    person = identity.current()
    if person is None or not person.may("start_audits"):
        st.caption("Audits are started by compliance reviewers and model owners.")
        return
    opened = st.expander(
        "Start an audit", icon=":material/play_arrow:", key="start_audit", on_change="rerun"
    )
    if opened.open:
        with opened:
            _form(settings, cards)


def running_part(settings: Settings) -> None:
    """Show the audits that run, whoever started them, with their progress."""
    for job in audits.current_jobs(settings):
        _watch(job.key)
    problem = st.session_state.pop("job_problem", None)
    if problem:
        states.problem("An audit ended early", problem)
    if st.session_state.get(WATCHED):
        _follow()


def follow(job: Job) -> None:
    """Watch an audit that was just started, from the next run of the page on."""
    _watch(job.key)
    st.rerun()


def _watch(key: str) -> None:
    watched: list[str] = st.session_state.setdefault(WATCHED, [])
    if key not in watched:
        watched.append(key)


@st.fragment(run_every=1.0)
def _follow() -> None:
    settings = read_settings()
    watched: list[str] = st.session_state.setdefault(WATCHED, [])
    finished = False
    for key in list(watched):
        job = audits.job(settings, key)
        if job is None:
            watched.remove(key)
            continue
        if job.state == "done":
            watched.remove(key)
            finished = True
        elif job.ended:
            watched.remove(key)
            st.session_state["job_problem"] = f"{job.out.name}: {job.message}"
            finished = True
        else:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.progress(min(max(job.share, 0.0), 1.0), text=f"{job.out.name}: {job.message}")
                person = identity.current()
                if person is not None and person.may("start_audits"):
                    st.button(
                        "Cancel",
                        key=f"cancel_{key}",
                        on_click=audits.runner(settings).cancel,
                        args=(key,),
                    )
    if finished:
        st.rerun()


def _form(settings: Settings, cards: list[RunCard]) -> None:
    offer = audits.offers(settings, cards)
    study = st.selectbox(
        "Study folder",
        offer.studies,
        index=0 if offer.studies else None,
        accept_new_options=True,
        placeholder="path of a folder with study.toml",
        key="new_study",
        persist_state="session",
    )
    first = audits.models_beside(study, offer) if study else []
    models = st.multiselect(
        "Model folders",
        offer.models,
        default=first,
        accept_new_options=True,
        placeholder="paths of folders with model.toml",
        key=f"new_models_{study}",
        persist_state="session",
    )
    policy = st.text_input(
        "Policy file, declared before results are computed",
        audits.policy_beside(study) if study else "",
        placeholder="leave empty for the default policy",
        key=f"new_policy_{study}",
        persist_state="session",
    )
    st.caption("The audit goes on when this tab is closed, and shows up here when it is done.")
    if st.button("Start the audit", disabled=not (study and models)):
        with states.guarded("The audit cannot start"):
            follow(audits.start(settings, study or "", models, policy))
