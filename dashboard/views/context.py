"""What a page is about: run, model and output, picked once and kept across pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import numbers, state
from dashboard.evidence import OutputKey, find_output, model_keys, model_label, output_keys
from dashboard.queries import runs
from dashboard.queries.runs import RunCard, RunRef, Unreadable
from dashboard.settings import read_settings
from dashboard.views import states
from dashboard.views.pickers import pick_one
from dashboard.words import humanised


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The chosen run, model and output.

    Attributes:
        ref: Key of the run.
        evidence: The run's evidence.
        model: ``id@version``, or None for a table of predictions.
        output: The chosen output.
        entry: Its entry in the evidence.
    """

    ref: RunRef
    evidence: dict[str, Any]
    model: str | None
    output: OutputKey
    entry: dict[str, Any]

    @property
    def subject(self) -> str:
        """Return a key of this run's state, model and output."""
        return f"{self.ref.stamp}_{self.model}_{self.output.name}"

    @property
    def may_leave(self) -> bool:
        """Return whether numbers from the run's internal files may be downloaded."""
        return bool(self.evidence["release"] == "internal")


def header(title: str, question: str) -> None:
    """Show the page's title and the question it answers."""
    with st.container(gap=None):
        st.title(title, anchor=False)
        st.caption(question)


def pick_run(cards: list[RunCard]) -> RunCard:
    """Show the run picker; a link to a run that is gone falls back to the newest."""
    by_id = {card.id: card for card in cards}
    labels = run_labels(cards)
    chosen = pick_one("Run", list(by_id), key=state.RUN, format_func=labels.__getitem__)
    return by_id[chosen]


def gone(cards: list[RunCard]) -> None:
    """Say that the run of a link is not there."""
    wanted = state.known(state.RUN)
    if wanted and wanted not in {card.id for card in cards}:
        st.warning(
            f"Run {wanted} is not in this store; showing the newest one instead.",
            icon=":material/link_off:",
        )


def run_labels(cards: list[RunCard]) -> dict[str, str]:
    """Return the words for each run by its id, no two alike.

    Streamlit tells options apart by their words: of two runs of the same minute it would show one
    and open the other. Such runs carry the end of their id.
    """
    words = {card.id: _run_label(card) for card in cards}
    held = Counter(words.values())
    return {run: f"{text} · {run[-8:]}" if held[text] > 1 else text for run, text in words.items()}


def pick(
    title: str, question: str, *, with_output: bool = True, with_model: bool = True
) -> Context | None:
    """Show a page's title and its pickers; return what they hold, or None without a run.

    Args:
        title: Name of the page.
        question: The question it answers.
        with_output: Whether the page is about one finding or outcome.
        with_model: Whether the page is about one model.
    """
    state.read_address()
    cards, broken = runs.run_cards(read_settings())
    if not cards:
        header(title, question)
        unreadable(broken)
        no_runs()
        return None
    gone(cards)
    with st.container(key="page_head"):  # stacked on a narrow screen (static/style.css)
        left, right = st.columns([1, 2.7], gap="large", vertical_alignment="bottom")
    with left:
        header(title, question)
    unreadable(broken)
    with right:
        return _pick(cards, with_output=with_output, with_model=with_model)


def not_here(key: state.Key, offered: Sequence[str], what: str) -> None:
    """Say that a link names a model or an output that the run does not hold."""
    wanted = state.linked(key)
    if wanted and offered and wanted not in offered:
        st.warning(
            f"{what} {wanted} is not in this run; showing {offered[0]} instead.",
            icon=":material/link_off:",
        )


def unreadable(broken: list[Unreadable]) -> None:
    """Name the listed runs that cannot be read."""
    for item in broken:
        states.problem("A run cannot be read", item.problem)


def _pick(cards: list[RunCard], *, with_output: bool, with_model: bool) -> Context | None:
    widths = [1.9] + [1.3] * with_model + [1.0] * with_output
    places = iter(st.columns(widths, vertical_alignment="bottom"))
    with next(places):
        card = pick_run(cards)
    with states.guarded("This run cannot be opened"):
        evidence = runs.evidence(card.ref)
        model = None
        if with_model:
            with next(places):
                model = _pick_model(evidence)
        with next(places) if with_output else nullcontext():
            output = _pick_output(evidence, model, shown=with_output)
        if with_model:
            not_here(state.MODEL, model_keys(evidence), "Model")
        if with_output:
            not_here(state.OUTPUT, [k.name for k in output_keys(evidence, model)], "Output")
        entry = find_output(evidence, model, output.name) if output else None
        if output is None or entry is None:
            states.empty("No output to show", "This run audited no output of this model.")
            return None
        state.write_address()
        return Context(ref=card.ref, evidence=evidence, model=model, output=output, entry=entry)
    return None


def no_runs() -> None:
    """Say that the store is empty and how to fill it."""
    states.empty(
        "No audit yet",
        "Audit a study with a model, or a table of predictions, and it appears here.",
        "auscult audit --study sample_data/chest_xray --model sample_data/chest_xray/models/1.0 "
        "--out runs/chest_xray",
    )


def _pick_model(evidence: dict[str, Any]) -> str | None:
    keys = model_keys(evidence)
    if not keys:
        st.text_input("Model", "table of predictions", disabled=True, key="no_model")
        return None
    return pick_one("Model", keys, key=state.MODEL, format_func=model_label)


def _pick_output(evidence: dict[str, Any], model: str | None, *, shown: bool) -> OutputKey | None:
    found = output_keys(evidence, model)
    if not found:
        return None
    names = list(dict.fromkeys(key.name for key in found))
    if shown:
        name = pick_one("Finding or outcome", names, key=state.OUTPUT, format_func=humanised)
    else:
        last = state.known(state.OUTPUT)
        name = last if last in names else names[0]
    return next(key for key in found if key.name == name)


def _run_label(card: RunCard) -> str:
    cases = f"{card.cases:,} cases" if card.cases is not None else numbers.SUPPRESSED
    kind = "comparison · " if card.kind == "comparison" else ""
    return f"{humanised(card.study)} · {kind}{numbers.day(card.created)} · {cases}"
