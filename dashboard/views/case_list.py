"""The list of cases: filters, a page of rows, and the chosen case."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import streamlit as st

from dashboard import state
from dashboard.evidence import find_output, next_version, output_keys
from dashboard.queries import cases
from dashboard.queries.cases import Question, Show
from dashboard.queries.explanations import imaged_cases
from dashboard.views.context import Context
from dashboard.views.elements import show_frame
from dashboard.views.pickers import pick_one
from dashboard.words import humanised, word

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 200
TABLE = "case_table"
LABELS: dict[Show, str] = {
    "all": "All",
    "missed": "Missed",
    "false_alarm": "False alarms",
    "uncertain": "Uncertain",
    "changed": "Changed calls",
    "found": "Found",
}


def case_list(chosen: Context) -> str | None:
    """Show filters and cases, and return the chosen case's id."""
    state.restore_text(state.CASE)
    typed = st.text_input("Case id", key=state.CASE, placeholder="type or paste an id")
    state.keep(state.CASE)
    question = _question(chosen)
    page, total = cases.page_of_cases(question, SHOWN)
    st.caption(_found_text(question, total, len(page)))
    ids = [str(value) for value in page["case_id"]]

    def take_row() -> None:
        rows = state.selected_rows(TABLE)
        if rows and rows[0] < len(ids):
            state.choose(state.CASE, ids[rows[0]])

    show_frame(
        _listed(page, question, chosen),
        key=TABLE,
        alt="Cases that match the filters; select a row to open one",
        on_select=take_row,
        selection_mode="single-row",
        height=560,
        column_config={
            "Risk": st.column_config.NumberColumn(format="percent"),
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


def _question(chosen: Context) -> Question:
    versions = versions_of(chosen)
    threshold = chosen.entry["threshold"]["value"]
    offered = _offered(threshold=threshold is not None, other=len(versions) > 1)
    state.restore("show", offered, "all")
    show = st.pills(
        "Show",
        offered,
        format_func=lambda name: LABELS[name],
        key="show",
        required=True,
        wrap=True,
    )
    state.keep("show")
    levels = {
        f"{name}={level}": (name, level)
        for group in chosen.entry["groups"]
        if len(group["attributes"]) == 1
        for name, level in group["attributes"].items()
    }
    group = pick_one(
        "Group", ["", *levels], key="group", format_func=lambda key: _level_label(levels.get(key))
    )
    return Question(
        ref=chosen.ref,
        model=chosen.model,
        output=chosen.output.name,
        threshold=threshold,
        show=show or "all",
        group=levels.get(group),
        other=versions[1] if len(versions) > 1 else None,
        with_image=_with_image(chosen),
    )


def _with_image(chosen: Context) -> bool:
    """Offer to show only cases with an image, where the study ships some images and not all."""
    imaged = len(imaged_cases(chosen.ref))
    if not 0 < imaged < (chosen.entry["overall"].get("n") or 0):
        return False
    return st.toggle(f"Only the {imaged:,} cases with an image", value=True, key="with_image")


def _offered(*, threshold: bool, other: bool) -> list[Show]:
    return [
        name
        for name in get_args(Show)
        if name == "all" or (threshold and (name != "changed" or other))
    ]


def _level_label(pair: tuple[str, str] | None) -> str:
    return f"{humanised(pair[0])} {pair[1]}" if pair else "Everybody"


def _found_text(question: Question, total: int, shown: int) -> str:
    order = {
        "all": "highest risk first",
        "missed": "surest miss first",
        "false_alarm": "surest false alarm first",
        "uncertain": "closest to the threshold first",
        "changed": "highest risk first",
        "found": "highest risk first",
    }[question.show]
    first = f"the first {shown} shown, " if total > shown else ""
    return f"{total:,} cases, {first}{order}."


def _listed(page: pd.DataFrame, question: Question, chosen: Context) -> pd.DataFrame:
    import pandas as pd

    calls = [
        cases.outcome(
            None if pd.isna(label) else int(label),
            None if pd.isna(risk) else float(risk),
            question.threshold,
        )
        for label, risk in zip(page["label"], page["risk"], strict=True)
    ]
    found = [word("outcome", call) if call else None for call in calls]
    frame = pd.DataFrame(
        {
            "Case": page["case_id"].astype(str),
            "Risk": page["risk"],
            "Call": [f"{w.symbol} {w.label}" if w else "–" for w in found],
        }
    )
    if not cases.has_risk(chosen.ref, chosen.model, chosen.output.name):
        frame = frame.rename(columns={"Risk": "Score"})
    for name in cases.group_columns(page):
        frame[humanised(name.removeprefix("group__"))] = page[name].astype(str)
    return frame
