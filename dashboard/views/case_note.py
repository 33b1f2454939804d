"""A note with its evidence marked: what raises and lowers the score, and what is negated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from audits.risk_points import risk_of, risk_points
from dashboard import series
from dashboard.numbers import number, signed
from dashboard.queries import parts
from dashboard.views.case_variables import points_text
from dashboard.views.elements import show_chart, show_table

if TYPE_CHECKING:
    from dashboard.views.context import Context

SHOWN_TABLE = 6
_RAISES, _LOWERS = (204, 90, 31), (38, 128, 184)


def show_note(chosen: Context, entry: Mapping[str, Any], model: str) -> None:
    """Show the note with marks, the deletion test beside it, and how much of it was read."""
    note = entry["note"]
    if not note:
        return
    text = parts.case_note(chosen.ref, entry["case"], note["field"])
    if text is not None:
        st.html(marked_note(text, note))
        st.caption(
            "Orange and solid underline: raises the score. Blue and dashed underline: lowers it. "
            "The stronger the colour, the larger the effect. Dotted overline: negated."
        )
    if note["read"] < note["total"]:
        st.warning(
            f"The model reads {note['read']:,} of {note['total']:,} tokens of this note; what is "
            "behind has no effect on the score and is greyed.",
            icon=":material/content_cut:",
        )
    deletion_line(note, risks=entry["score"].get("logit") is not None)
    if not entry.get("modalities"):
        _tables(entry, model)


def deletion_line(note: Mapping[str, Any], *, risks: bool) -> None:
    """Tell what the score does without the leading sentences; as risks where it is log-odds."""
    found = note.get("deletion")
    if not found:
        st.markdown("**Deletion test.** Not possible: the note has fewer than two sentences.")
        return
    count = found["sentences"]
    which = "the leading sentence" if count == 1 else f"the {count} leading sentences"
    others = ""

    def told(score: float) -> str:
        return number(risk_of(score), "percent") if risks else signed(score)

    if found["others"] is not None:
        others = f" Without as many others, drawn at random, it is {told(found['others'])}."
    st.markdown(
        f"**Deletion test.** The {'predicted risk' if risks else 'score'} is "
        f"{told(found['before'])}; without {which} it is {told(found['after'])}.{others}"
    )


def marked_note(text: str, note: Mapping[str, Any]) -> str:
    """Return the note as HTML: every sentence by its effect, words inside leading sentences.

    Example:
        >>> unit = {"level": "sentence", "name": "a", "start": 0, "end": 2, "effect": 1.0,
        ...         "se": 0.0, "negated": False}
        >>> "<mark" in marked_note("Hi", {"units": [unit], "read_to": 2, "negations": []})
        True
    """
    units = note["units"]
    sentences = finest(units)
    words = [u for u in units if u["level"] == "token"]
    largest = max((abs(u["effect"]) for u in sentences), default=0.0) or 1.0
    shown = _Text(text=text, negations=tuple((a, b) for a, b in note["negations"]))
    pieces, place = [], 0
    for unit in sorted(sentences, key=lambda u: u["start"]):
        end = min(unit["end"], max(note["read_to"], unit["start"]))
        pieces.append(shown.part(place, unit["start"]))
        pieces.append(_sentence(shown, {**unit, "end": end}, words, largest))
        place = end
    read = max(place, min(note["read_to"], len(text)))
    pieces.append(shown.part(place, read))
    hidden = shown.part(read, len(text))
    if text[read:].strip():
        hidden = f'<span style="opacity:.5">{hidden}</span>'
    return (
        '<div style="line-height:1.9;max-height:460px;overflow:auto;padding:.6rem .8rem;'
        'border:1px solid rgba(128,128,128,.35);border-radius:.4rem" tabindex="0" role="document" '
        f'aria-label="Note with marked evidence">{"".join(pieces)}{hidden}</div>'
    )


def finest(units: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the sentences, and every section that was not shared out over its sentences.

    Beside other inputs, only the sections that matter are looked into.

    Example:
        >>> units = [{"level": "section", "start": 0, "end": 9},
        ...     {"level": "section", "start": 9, "end": 20},
        ...     {"level": "sentence", "start": 12, "end": 20}]
        >>> [(one["level"], one["start"]) for one in finest(units)]
        [('section', 0), ('sentence', 12)]
    """
    sentences = [one for one in units if one["level"] == "sentence"]
    whole = [
        one
        for one in units
        if one["level"] == "section"
        and not any(one["start"] <= s["start"] and s["end"] <= one["end"] for s in sentences)
    ]
    return sorted([*whole, *sentences], key=lambda one: one["start"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A text and where it is negated."""

    text: str
    negations: tuple[tuple[int, int], ...]

    def part(self, start: int, end: int) -> str:
        """Return a stretch as HTML, negated words under a dotted line."""
        pieces, place = [], start
        for first, behind in self.negations:
            low, high = max(first, place), min(behind, end)
            if low >= high:
                continue
            pieces.append(_plain(self.text[place:low]))
            inner = _plain(self.text[low:high])
            pieces.append(f'<span style="text-decoration:overline dotted">{inner}</span>')
            place = high
        return "".join([*pieces, _plain(self.text[place:end])])


def _sentence(
    shown: _Text, unit: Mapping[str, Any], words: Sequence[Mapping[str, Any]], largest: float
) -> str:
    inner, place = [], unit["start"]
    own = [w for w in words if unit["start"] <= w["start"] and w["end"] <= unit["end"]]
    peak = max((abs(w["effect"]) for w in own), default=0.0) or 1.0
    for word in sorted(own, key=lambda w: w["start"]):
        weight = 700 if abs(word["effect"]) >= peak / 2 else 400
        inner.append(
            f"{shown.part(place, word['start'])}"
            f'<span title="{signed(word["effect"])}" style="font-weight:{weight}">'
            f"{shown.part(word['start'], word['end'])}</span>"
        )
        place = word["end"]
    inner.append(shown.part(place, unit["end"]))
    share = abs(unit["effect"]) / largest
    red, green, blue = _RAISES if unit["effect"] >= 0 else _LOWERS
    line = "solid" if unit["effect"] >= 0 else "dashed"
    title = f"{unit['name']}: {signed(unit['effect'])}"
    return (
        f'<mark title="{escape(title)}" style="color:inherit;background:rgba({red},{green},{blue},'
        f"{0.04 + 0.42 * share:.2f});border-bottom:2px {line} rgba({red},{green},{blue},"
        f'{0.25 + 0.7 * share:.2f})">{"".join(inner)}</mark>'
    )


def _plain(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _tables(entry: Mapping[str, Any], model: str) -> None:
    """Show sections with their effects, then the way from an empty note to this score."""
    sections = [u for u in entry["note"]["units"] if u["level"] == "section"]
    ranked = sorted(sections, key=lambda u: -abs(u["effect"]))[:SHOWN_TABLE]
    show_table(
        [
            {
                "Section": u["name"].capitalize(),
                "Effect": signed(u["effect"])
                + (f" ± {u['se']:.3f}" if u["se"] else "")
                + points_text(risk_points(u["effect"], entry["score"].get("logit"))),
            }
            for u in ranked
        ],
        alt="Sections of the note with their effect",
    )
    chart = series.waterfall(entry)
    if chart is not None:
        show_chart(chart, key=f"waterfall_{model}")
