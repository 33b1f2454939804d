"""Empty, error and notice states, so that every page says them alike."""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from audits.errors import PackageError
from dashboard.words import notice

EXPECTED = (PackageError,)
"""Errors raised on purpose; their sentence may be shown as it stands."""

_LOG = logging.getLogger(__name__)


def empty(title: str, body: str, command: str | None = None) -> None:
    """Say that there is nothing yet, and what to do about it."""
    with st.container(border=True):
        st.header(title, anchor=False)
        st.write(body)
        if command:
            st.code(command, language="bash")


def problem(title: str, sentence: str) -> None:
    """Show an error that a person can act on."""
    st.error(sentence, title=title, icon=":material/error:")


@contextmanager
def guarded(title: str) -> Iterator[None]:
    """Turn errors of one part of a page into one sentence; the rest of the page goes on.

    Errors raised on purpose are shown as they stand: they name ids and files, no values. Anything
    else is logged by kind and place under an id, and only the id is shown: a message may hold a
    value.
    """
    try:
        yield
    except PackageError as error:
        problem(title, str(error))
    except Exception as error:
        if type(error).__module__.startswith("streamlit"):
            raise  # reruns and stops travel as exceptions
        reference = secrets.token_hex(4)
        # Where it happened, and never the message: it may hold a patient's value.
        place = "".join(traceback.format_tb(error.__traceback__))
        _LOG.error("%s (%s): %s at\n%s", title, reference, type(error).__name__, place)
        problem(title, f"Something unexpected happened; the server's log has it as {reference}.")


def review_banner() -> None:
    """Show what the case pages are for, and what they are not."""
    st.info(notice("case"), icon=":material/info:")
