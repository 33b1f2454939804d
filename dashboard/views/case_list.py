"""The list of cases: filters, a page of rows, and the chosen case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

import streamlit as st

from dashboard import state
from dashboard.evidence import (
    find_output,
    group_label,
    is_intersection,
    level_label,
    modalities_read,
    next_version,
    output_keys,
    worst_group,
)
from dashboard.queries import cases
from dashboard.queries.case_inputs import imaged_cases
from dashboard.queries.cases import CaseRow, Question, Show
from dashboard.views.context import Context
from dashboard.views.elements import show_frame
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, word

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 100
TABLE = "case_table"
PAGED = "_paged_list"
LABELS: dict[Show, str] = {
    "all": "All",
    "wrong": "Wrong",
    "missed": "Missed",
    "false_alarm": "False alarms",
    "uncertain": "Uncertain",
    "changed": "Changed calls",
    "found": "Found",
    "blind": "In the order of the study",
}
HIGHEST = "highest risk first"
ORDER: dict[Show, str] = {
    "all": HIGHEST,
    "wrong": "furthest on the wrong side first",
    "missed": "surest miss first",
    "false_alarm": "surest false alarm first",
    "uncertain": "closest to the threshold first",
    "changed": HIGHEST,
    "found": HIGHEST,
    "blind": "in the order of the study, predictions and labels hidden",
}


def case_list(chosen: Context, *, blind: bool) -> str | None:
    """Show filters and cases, and return the chosen case's id.

    Args:
        chosen: Run, model and output.
        blind: Show neither risks nor labels, nor an order or a filter that would give them away.
    """
    state.restore_text(state.CASE)
    typed = st.text_input("Case id", key=state.CASE, placeholder="type or paste an id")
    state.keep(state.CASE)
    question = _question(chosen, blind=blind)
    page = _page(question)
    rows, total = cases.page_of_cases(question, page, SHOWN)
    st.caption(_found_text(question, total, page, len(rows), _measure(chosen)))

    def take_row() -> None:
        selected = state.selected_rows(TABLE)
        if selected and selected[0] < len(rows):
            state.choose(state.CASE, rows[selected[0]].case)

    show_frame(
        _listed(rows, chosen, blind=blind),
        key=TABLE,
        alt="Cases that match the filters; select a row to open one",
        on_select=take_row,
        selection_mode="single-row",
        height=560,
        column_config={
            "Risk": st.column_config.NumberColumn(format="%.1f %%"),
        },
    )
    state.write_address()
    return typed.strip() or None


def versions_of(chosen: Context) -> list[tuple[str, float | None]]:
    """Return every model that gives this output with its threshold, the chosen one first.

    The second is the version that calls are compared with: the next of the same model.
    """
    keys = [k.model for k in output_keys(chosen.evidence) if k.name == chosen.output.name]
    named = [key for key in keys if key]
    if chosen.model is None or chosen.model not in named:
        return []
    ranked = [chosen.model]
    if len(named) > 1:
        ranked.append(next_version(chosen.model, named))
    ranked += [key for key in named if key not in ranked]
    entries = [(key, find_output(chosen.evidence, key, chosen.output.name)) for key in ranked]
    return [(key, entry["threshold"]["value"]) for key, entry in entries if entry]


def _question(chosen: Context, *, blind: bool) -> Question:
    versions = versions_of(chosen)
    threshold = chosen.entry["threshold"]["value"]
    return Question(
        ref=chosen.ref,
        model=chosen.model,
        output=chosen.output.name,
        threshold=threshold,
        show="blind" if blind else _kind(threshold, other=len(versions) > 1),
        group=_group(chosen),
        other=versions[1] if len(versions) > 1 else None,
        with_image=_with_image(chosen),
    )


def _kind(threshold: float | None, *, other: bool) -> Show:
    offered = [
        name
        for name in get_args(Show)
        if name == "all"
        or (name != "blind" and threshold is not None and (name != "changed" or other))
    ]
    state.restore(state.SHOW, offered, "all")
    shown: Show | None = st.pills(
        "Show",
        offered,
        format_func=lambda name: LABELS[name],
        key=state.SHOW,
        required=True,
        wrap=True,
    )
    state.keep(state.SHOW)
    return shown or "all"


def _group(chosen: Context) -> tuple[tuple[str, str], ...]:
    """Let the reader choose a group; the one that the model serves worst stands second."""
    worst = worst_group(chosen.entry)
    groups = sorted(chosen.entry["groups"], key=is_intersection)
    known = {_group_id(group["attributes"]): group["attributes"] for group in groups}
    first = [_group_id(worst)] if worst else []
    options = ["", *first, *(key for key in known if key not in first)]

    def told(key: str) -> str:
        tail = " (served worst)" if [key] == first else ""
        return group_label(known.get(key, {})) + tail

    picked = pick_one("Group", options, key=state.GROUP, format_func=told)
    return tuple(known.get(picked, {}).items())


def _group_id(attributes: dict[str, str]) -> str:
    return "+".join(f"{name}={level}" for name, level in attributes.items())


def _with_image(chosen: Context) -> bool:
    """Offer to show only cases with an image, where the model reads them and some are shipped."""
    given = modalities_read(chosen.evidence, chosen.model)
    if given and "image" not in given:
        return False
    imaged = len(imaged_cases(chosen.ref))
    if not 0 < imaged < (chosen.entry["overall"].get("n") or 0):
        return False
    return st.toggle(f"Only the {imaged:,} cases with an image", value=True, key="with_image")


def _page(question: Question) -> int:
    """Return the page of the list, from 0; the pager stands where there is more than one."""
    total = cases.how_many(question)
    pages = -(-total // SHOWN)
    if pages <= 1:
        return 0
    if st.session_state.get(PAGED) != question:  # another list begins at its first page
        st.session_state.pop("case_page", None)
        st.session_state[PAGED] = question
    return int(st.pagination(pages, key="case_page", max_visible_pages=5)) - 1


def _measure(chosen: Context) -> str:
    """Return what the cases' number is called: a risk, an overlap or a score."""
    if cases.has_risk(chosen.ref, chosen.model, chosen.output.name):
        return "Risk"
    return "Dice" if chosen.entry.get("task") == "segmentation" else "Score"


def _found_text(question: Question, total: int, page: int, shown: int, measure: str) -> str:
    first = page * SHOWN + 1
    place = f"{first:,} to {first + shown - 1:,} shown, " if total > shown else ""
    order = ORDER[question.show]
    if order == HIGHEST and measure != "Risk":
        order = f"highest {measure if measure == 'Dice' else 'score'} first"
    return f"{total:,} cases, {place}{order}."


def _listed(rows: Sequence[CaseRow], chosen: Context, *, blind: bool) -> pd.DataFrame:
    import pandas as pd

    held: dict[str, list[object]] = {"Case": [row.case for row in rows]}
    if not blind:
        measure = _measure(chosen)
        found = [word("outcome", row.outcome) if row.outcome else None for row in rows]
        shown: list[object] = [
            row.risk * 100 if measure == "Risk" and row.risk is not None else row.risk
            for row in rows
        ]
        held[measure] = shown
        held["Call"] = [f"{w.symbol} {w.label}" if w else "–" for w in found]
    names = list(dict.fromkeys(name for row in rows for name, _ in row.groups))
    for name in names:
        held[humanised(name)] = [level_label(dict(row.groups).get(name, "–")) for row in rows]
    return pd.DataFrame(held)
