"""Who is looking, and what they may do: sign-in where it is configured, else the local person.

A person without a role sees nothing. On one's own computer, without sign-in, the person has every
role and may choose to work as one of them: the files are theirs anyway.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

Role = Literal["clinician", "reviewer", "owner"]
Permission = Literal["see_runs", "see_cases", "record", "start_audits", "export", "sign", "attest"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
CHOSEN: Final = "working_as"
EVERYTHING: Final = "everything"

MAY: Final[dict[Role, frozenset[Permission]]] = {
    "clinician": frozenset({"see_runs", "see_cases", "record", "attest"}),
    "reviewer": frozenset({"see_runs", "start_audits", "export", "sign", "attest"}),
    "owner": frozenset({"see_runs", "see_cases", "start_audits", "export", "attest"}),
}
"""A reviewer judges groups and needs no single patient, and alone closes and reopens a report
(``sign``); everybody gives the signature of their own role (``attest``)."""

PAGES: Final[dict[str, Permission | None]] = {
    "": "see_runs",
    "overview": "see_runs",
    "case": "see_cases",
    "bias": "see_runs",
    "compare": "see_runs",
    "reports": "attest",
    "about": None,
}
"""What a page needs; a page that is not named here is open to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is looking.

    Attributes:
        name: As the sign-in or the computer names them.
        roles: What they work as; none means that nothing may be seen.
        signed_in: Whether a sign-in vouches for name and roles.
    """

    name: str
    roles: tuple[Role, ...]
    signed_in: bool

    def may(self, permission: Permission) -> bool:
        """Return whether one of the roles allows it."""
        return any(permission in MAY[role] for role in self.roles)

    @property
    def role(self) -> str:
        """Return the roles as they are written into records."""
        return "+".join(self.roles) or "none"


def sign_in_is_on() -> bool:
    """Return whether the server's secrets configure a sign-in (OpenID Connect)."""
    return bool(_secrets("auth"))


def current() -> Person | None:
    """Return who is looking, or None where a sign-in is configured and has not happened."""
    if not sign_in_is_on():
        return _local(st.session_state.get(CHOSEN, EVERYTHING))
    if not getattr(st.user, "is_logged_in", False):  # absent until the first sign-in
        return None
    return signed_in(st.user.to_dict(), _secrets("auscult"))


def may_open(person: Person, page: str) -> bool:
    """Return whether a page is open to a person; one that nobody named is open to nobody.

    Example:
        >>> may_open(Person(name="a", roles=("reviewer",), signed_in=True), "case")
        False
        >>> may_open(Person(name="a", roles=("clinician",), signed_in=True), "case")
        True
    """
    if page not in PAGES:
        return False
    needed = PAGES[page]
    return needed is None or person.may(needed)


def signed_in(claims: Mapping[str, Any], settings: Mapping[str, Any]) -> Person:
    """Return the person that a sign-in vouches for.

    Args:
        claims: Claims of the identity token.
        settings: ``role_claim`` (the claim that lists groups, ``roles`` by default) and ``roles``
            (a role to the groups that have it). A group without a role gives none.

    Example:
        >>> signed_in({"email": "a@b.org", "roles": ["rad"]}, {"roles": {"clinician": ["rad"]}})
        Person(name='a@b.org', roles=('clinician',), signed_in=True)
    """
    held = claims.get(str(settings.get("role_claim", "roles"))) or []
    groups = {held} if isinstance(held, str) else {str(group) for group in held}
    wanted: Mapping[str, Sequence[str]] = settings.get("roles") or {}
    roles = tuple(role for role in ROLES if groups & set(wanted.get(role, ())))
    name = claims.get("email") or claims.get("preferred_username") or claims.get("sub") or "unnamed"
    return Person(name=str(name), roles=roles, signed_in=True)


def _local(chosen: str) -> Person:
    roles = tuple(role for role in ROLES if chosen in {role, EVERYTHING})
    return Person(name=_computer_user(), roles=roles, signed_in=False)


def _computer_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return "local user"


def _secrets(section: str) -> Mapping[str, Any]:
    try:
        return dict(st.secrets.get(section) or {})
    except StreamlitSecretNotFoundError:
        return {}
