"""Finished runs: which there are, and what they hold.

Caches are keyed by :class:`~dashboard.queries.cards.RunRef`, a path and a time stamp. Frames and
arrays are never arguments of a cached function: Streamlit hashes large ones from a sample and would
serve stale results.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from audits.errors import PackageError
from audits.storage import Run, list_runs, open_run
from dashboard.evidence import disparities, model_keys, verdict_counts
from dashboard.queries.cards import RunCard, RunRef, kept_card
from dashboard.settings import Settings

__all__ = ["RunCard", "RunRef", "Unreadable", "evidence", "load_run", "run_cards", "run_ref"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A run folder that is listed but cannot be read, and why."""

    path: str
    problem: str


def run_cards(settings: Settings) -> tuple[list[RunCard], list[Unreadable]]:
    """Return every run of the store and of the command line, newest first, and the broken ones.

    A store that cannot be opened is one broken entry, so that named runs are still shown.
    """
    cards: list[RunCard] = []
    broken: list[Unreadable] = []
    folders = list(settings.runs)
    try:
        folders += [record.path for record in list_runs(settings.store)]
    except PackageError as error:
        broken.append(Unreadable(path=str(settings.store), problem=str(error)))
    for folder in dict.fromkeys(path.absolute() for path in folders):
        try:
            card = kept_card(settings.store, run_ref(folder), _card)
        except (PackageError, OSError, KeyError) as error:
            broken.append(Unreadable(path=str(folder), problem=_told(error, folder)))
        else:
            cards.append(card)
    cards.sort(key=lambda card: card.created, reverse=True)
    known: dict[str, RunCard] = {}
    for card in cards:
        known.setdefault(card.id, card)
    return list(known.values()), broken


def run_ref(folder: Path | str) -> RunRef:
    """Return the key of a run folder as it is now.

    Raises:
        OSError: The folder holds no ``evidence.json``.
    """
    path = Path(folder).absolute()
    return RunRef(path=str(path), stamp=(path / "evidence.json").stat().st_mtime_ns)


@st.cache_resource(max_entries=12, show_spinner=False)
def load_run(ref: RunRef) -> Run:
    """Return a run; its parts are read from disk when first asked for, and never changed."""
    return open_run(ref.path)


def evidence(ref: RunRef) -> dict[str, Any]:
    """Return the run's evidence at its declared release."""
    return load_run(ref).evidence


def _card(ref: RunRef) -> RunCard:
    held = load_run(ref).evidence
    study, declaration = held["study"], held["declaration"]
    return RunCard(
        ref=ref,
        id=held["run"]["id"],
        created=held["run"]["created"],
        study=study["name"],
        study_version=str(study.get("version") or ""),
        cases=study.get("cases"),
        patients=study.get("patients"),
        models=tuple(model_keys(held)),
        verdicts=verdict_counts(held["outputs"]),
        confirmed=sum(c.get("strength") == "confirmed" for _, c in disparities(held)),
        skipped=len(held.get("skipped", [])),
        release=held["release"],
        policy=str(declaration.get("by") or ""),
        kind="comparison" if held.get("comparison") else "audit",
    )


def _told(error: Exception, folder: Path) -> str:
    if isinstance(error, PackageError):
        return str(error)
    return f"{folder}: the run is gone or unfinished; audit again or remove it from the list."
