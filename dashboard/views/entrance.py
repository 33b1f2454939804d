"""Sign-in, the denied state, and on one's own computer the choice of a role."""

from __future__ import annotations

import streamlit as st

from dashboard import identity, state
from dashboard.identity import EVERYTHING, MAY, PAGES, ROLES, Person
from dashboard.words import word


def sign_in_page() -> None:
    """Ask to sign in; nothing else is drawn before."""
    with st.container(border=True, width=560):
        st.title("Sign in", anchor=False)
        st.write(
            "Runs and cases are shown to people of this organisation who have a role: clinician, "
            "compliance reviewer or model owner."
        )
        st.button("Sign in", on_click=st.login, icon=":material/login:")
        st.caption("Your organisation's own sign-in page opens; no password is typed here.")


def denied(person: Person, page: str, title: str) -> None:
    """Say that a page is closed to this person, for whom it is, and where to turn."""
    st.title(title, anchor=False)
    needed = PAGES.get(page)
    allowed = [word("role", role).plural for role in ROLES if needed in MAY[role]]
    with st.container(border=True, width=720):
        st.header("Not open to you", anchor=False)
        st.markdown(f":gray-badge[✗ Denied] This page is for {_joined(allowed) or 'nobody yet'}.")
        if not person.roles:
            st.write(
                f"You are signed in as {person.name}, who has no role here. Ask whoever runs this "
                "server to give one of your groups a role."
            )
        elif person.signed_in:
            st.write(
                f"You are signed in as {person.name}, {_roles(person)}. Ask whoever runs this "
                "server if you should see it."
            )
        else:
            st.write(f"You work as {_roles(person)}. Choose another role on the Overview page.")
        with st.container(horizontal=True):
            if person.may("see_runs"):
                st.page_link("app_pages/overview.py", label="Overview", width="content")
            st.page_link("app_pages/about.py", label="About", width="content")
            if person.signed_in:
                st.button("Sign out", on_click=st.logout, icon=":material/logout:")


def who_part() -> None:
    """Show who is looking; without sign-in, let them choose what to work as."""
    if identity.sign_in_is_on():
        person = identity.current()
        if person is not None:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"{person.name}, {_roles(person)}")
                st.button("Sign out", on_click=st.logout, icon=":material/logout:")
        return
    state.restore(identity.CHOSEN, [EVERYTHING, *ROLES], EVERYTHING)
    st.segmented_control(
        "Working as",
        [EVERYTHING, *ROLES],
        format_func=lambda role: "Everybody" if role == EVERYTHING else word("role", role).label,
        key=identity.CHOSEN,
        required=True,
        help="Without a sign-in you may work in every role. A role shows what its people see.",
    )
    state.keep(identity.CHOSEN)


def _roles(person: Person) -> str:
    return _joined([word("role", role).label.lower() for role in person.roles])


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
