"""One case on one page for a clinician: risk, basis, counter-evidence, reliability, limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from audits.errors import AuditError
from audits.fairness.observed_risk import of_hundred
from audits.reporting.case.heatmap import MapFigure, map_figure
from audits.reporting.case.told import ToldCase
from audits.reporting.case.words import (
    check_sentence,
    effect_text,
    limits_of,
    observed_sentence,
    players,
    points_text,
    rows_of,
    value_text,
    warnings_of,
)
from audits.reporting.charts import verdict_of, verdicts_of
from audits.reporting.digest import PLACEHOLDER, with_digest
from audits.reporting.document.tables import estimate_cell
from audits.reporting.words import (
    MISSING,
    count,
    day,
    group_label,
    humanised,
    model_label,
    number,
    word,
)
from audits.storage.canonical import canonical_json
from audits.storage.run import Run

SHOWN = 6
"""Inputs on each side; all stand in the attached explanation."""

MEASURES = ("tpr", "fpr", "ppv", "oe_ratio")


def case_pdf(run: Run, told: ToldCase, *, with_image: bool = False) -> bytes:
    """Return the page as PDF/A-3a and PDF/UA-1; equal cases give equal bytes.

    The explanation is attached; the keywords hold the file's own digest. The image itself is
    shown only where it is asked for.

    Args:
        run: The run, for the image.
        told: The case.
        with_image: Whether the map is laid over the image.

    Raises:
        AuditError: typst refuses the page.
        StudyError: The image is asked for and cannot be opened.
    """
    import typst

    figure = map_figure(run, told, with_image=with_image)
    template = files("audits.reporting.case").joinpath("page.typ").read_bytes()
    logo = files("audits.reporting").joinpath("logo.svg").read_text(encoding="utf-8")
    created = datetime.fromisoformat(told.run["created"])
    moment = created if created.tzinfo else created.replace(tzinfo=UTC)
    try:
        made = typst.compile(
            template,
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=["a-3a", "ua-1"],
            timestamp=int(moment.timestamp()),
            sys_inputs={
                "page": json.dumps(page_data(told, figure), ensure_ascii=False),
                "files": json.dumps(_attached(told), ensure_ascii=False),
                "digest": PLACEHOLDER,
                "logo": logo,
            },
        )
    except typst.TypstError as error:
        raise AuditError(f"report: the page cannot be set ({error.message}).") from error
    return with_digest(made, places=2)


def page_data(told: ToldCase, figure: MapFigure | None = None) -> dict[str, Any]:
    """Return everything that the page says, as plain data."""
    model = model_label(told.output.get("model"))
    study = told.run["study"]
    return {
        "title": f"{humanised(told.name)}: case {told.case}",
        "heading": f"{humanised(told.name)}, case {told.case}",
        "subtitle": f"{model} on {study['name']} {study.get('version') or ''}".strip(),
        "notice": word("notice", "case", "text"),
        "footer": f"Run {told.run['id']}, {day(told.run['created'])} · "
        f"{told.run['release']} release",
        "tiles": _tiles(told),
        "raising": _bars(told, raising=True),
        "lowering": _bars(told, raising=False),
        "map": None if figure is None else figure.to_dict(),
        "basis-notes": [*_notes(told), observed_sentence(told)],
        "reliability": _reliability(told),
        "warnings": list(warnings_of(told)),
        "limits": list(limits_of(told)),
    }


def _tiles(told: ToldCase) -> list[dict[str, Any]]:
    risk, called = told.score["probability"], told.called
    value = told.score["value"] if risk is None else risk
    shown = MISSING if value is None else number(value, "percent" if risk is not None else "number")
    tiles = [
        {
            "label": "Predicted risk" if risk is not None else "Score",
            "value": shown,
            "detail": "of this finding or outcome, by the model",
            "strong": bool(called),
        }
    ]
    if called is not None:
        said = "Flagged" if called else "Not flagged"
        cut = number(told.threshold, "percent")
        detail = f"the threshold is {cut}, set by the {told.output['threshold']['source']}"
        tiles.append(
            {"label": "At this threshold", "value": said, "detail": detail, "strong": called}
        )
    if not isinstance(told.observed, str):
        tiles.append(
            {
                "label": "Of patients with such a risk",
                "value": f"{of_hundred(told.observed.rate)} in 100",
                "detail": f"had it ({of_hundred(told.observed.low)} to "
                f"{of_hundred(told.observed.high)}; n {told.observed.n:,})",
                "strong": False,
            }
        )
    ppv = (told.output["overall"]["metrics"].get("ppv" if called else "npv") or {}).get("value")
    if called is not None and ppv is not None:
        what = "of flagged cases have it" if called else "of unflagged cases do not have it"
        tiles.append(
            {
                "label": "How often that is right",
                "value": number(ppv, "percent"),
                "detail": f"{what}, in everybody audited",
                "strong": False,
            }
        )
    return tiles


def _bars(told: ToldCase, *, raising: bool) -> list[dict[str, Any]]:
    shown = players(told, raising=raising)[:SHOWN]
    largest = max(
        (abs(p["effect"]) for p in (told.explanation or {}).get("players") or () if p["effect"]),
        default=1.0,
    )
    return [
        {
            "label": str(one["label"]),
            "value": value_text(one),
            "effect": effect_text(one),
            "se": f"{one.get('se') or 0.0:.1g}",
            "points": points_text(one, (told.explanation or {}).get("score") or {}),
            "share": abs(one["effect"]) / largest,
        }
        for one in shown
    ]


POINTS = (
    "Effects in log-odds ± standard error; pt: by how many points the predicted risk lies above "
    "what it would be without that effect alone. Log-odds add up, points do not."
)


def _notes(told: ToldCase) -> list[str]:
    if told.explanation is None:
        return ["Not available: the run does not explain this case; `auscult explain` does."]
    one = told.explanation
    method = f"{word('method', one['method'])}. {one['estimand']}"
    notes = [method, f"Checks of this explanation: {check_sentence(told)}"]
    if (one.get("score") or {}).get("logit") is not None and one.get("players"):
        notes.insert(0, POINTS)
    background = one.get("background")
    if background:
        notes[-2] += f" Background: {background['name']}."
    if one.get("off_support_share") is not None:
        share = number(one["off_support_share"], "percent")
        notes.append(f"{share} of the inputs it tried lie outside the background's support.")
    return notes


def _reliability(told: ToldCase) -> dict[str, Any]:
    measures = [m for m in MEASURES if m in told.output["overall"]["metrics"]]
    verdicts = verdicts_of(told.output)
    return {
        "caption": "Audited cases with this patient's characteristics; 95 % intervals. "
        "◆ disparity, ● equivalent within the margin, ○ inconclusive, × not evaluable: "
        "compared with all other patients.",
        "measures": [word("metric", m) for m in measures],
        "rows": [
            _row(attributes, entry, measures, verdicts) for attributes, entry in rows_of(told)
        ],
    }


def _row(
    attributes: Mapping[str, str],
    entry: Mapping[str, Any],
    measures: list[str],
    verdicts: Any,
) -> dict[str, Any]:
    cells = [
        estimate_cell(entry["metrics"].get(m), m, verdict_of(verdicts, attributes, m) or "")
        for m in measures
    ]
    return {
        "label": group_label(attributes),
        "n": count(entry.get("n"), suppressed=bool(entry.get("suppressed"))),
        "cells": [{"text": c.text, "note": c.note, "mark": c.mark} for c in cells],
    }


def _attached(told: ToldCase) -> list[dict[str, str]]:
    """Return the explanation as an attachment; it holds no image and no text of a note."""
    if told.explanation is None:
        return []
    return [
        {
            "name": "explanation.json",
            "text": canonical_json(told.explanation).decode(),
            "description": "The explanation of this case, as the run holds it.",
        }
    ]
