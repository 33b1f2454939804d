"""Sentences about one case that every format prints alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.case.told import ToldCase
from audits.reporting.document.findings import disadvantaged, disparities
from audits.reporting.document.findings import told as told_sentence
from audits.reporting.requirements import declared_field
from audits.reporting.words import (
    count,
    estimate_text,
    group_label,
    humanised,
    minus,
    model_label,
    word,
)
from audits.risk_points import risk_points

TELLING = 3
"""Effects smaller than this many standard errors are not told apart from none."""
LEAST = 0.0005
"""Change of a risk below which no tenth of a point is left of it."""
_NAMED = 4


def players(told: ToldCase, *, raising: bool) -> list[Mapping[str, Any]]:
    """Return the inputs that raise (or lower) the score, the largest first.

    An effect within :data:`TELLING` standard errors of zero is in neither list.
    """
    found = [
        one
        for one in (told.explanation or {}).get("players") or ()
        if one.get("effect") and abs(one["effect"]) > TELLING * (one.get("se") or 0.0)
    ]
    mine = [one for one in found if (one["effect"] > 0) == raising]
    return sorted(mine, key=lambda one: -abs(one["effect"]))


def value_text(player: Mapping[str, Any]) -> str:
    """Return the value of an input with its unit."""
    value = player.get("value")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "" if value is None else str(value)  # a part of an image or a text has none
    name = player.get("unit") or ""
    # A unit in braces is an annotation of UCUM: the number has no unit.
    unit = word("unit", name) if name and not name.startswith("{") else ""
    return minus(f"{value:g} {unit}".strip())


def points_text(player: Mapping[str, Any], score: Mapping[str, Any]) -> str:
    """Return an effect in points of risk with its sign; empty where the output is no risk."""
    points = risk_points(player["effect"], score.get("logit"))
    if points is None:
        return ""
    return "< 0.1 pt" if abs(points) < LEAST else minus(f"{100 * points:+.1f} pt")


def effect_text(player: Mapping[str, Any]) -> str:
    """Return an effect in logits with its sign."""
    return minus(f"{player['effect']:+.2f}")


def basis_sentence(told: ToldCase) -> str:
    """Return what moved the score, both ways, or nothing where the run does not explain it."""
    if not told.explanation:
        return ""
    parts = []
    for raising, verb in ((True, "Raises"), (False, "Lowers")):
        found = players(told, raising=raising)[:_NAMED]
        if found:
            said = "; ".join(f"{p['label']} {value_text(p)} ({effect_text(p)})" for p in found)
            parts.append(f"{verb} the score: {said}.")
    method = word("method", str(told.explanation["method"]))
    if not parts:
        parts.append("A map shows which image regions moved the score.")
    return f"{' '.join(parts)} Method: {method}."


def observed_sentence(told: ToldCase) -> str:
    """Return how many of a hundred patients with such a risk had the condition, or why not."""
    found = told.observed
    if isinstance(found, str):
        return found
    return f"{found.headline} patients with such a predicted risk had it. {found.counted}"


def reliability_sentences(told: ToldCase) -> Iterator[str]:
    """Yield how often the model is right for everybody and for this patient's groups."""
    for attributes, entry in rows_of(told):
        metrics = entry["metrics"]
        said = [
            f"{word('metric', name).lower()} {estimate_text(metrics[name], 'percent')}"
            for name in ("tpr", "fpr", "ppv")
            if name in metrics
        ]
        n = count(entry.get("n"), suppressed=bool(entry.get("suppressed")))
        if said:
            yield f"{group_label(attributes)}: {', '.join(said)}; {n} cases."


def rows_of(told: ToldCase) -> Sequence[tuple[Mapping[str, str], Mapping[str, Any]]]:
    """Return everybody and each group of this patient with what the audit found."""
    everybody: Mapping[str, str] = {}
    return [(everybody, told.output["overall"]), *((g["attributes"], g) for g in told.groups)]


def warnings_of(told: ToldCase) -> Iterator[str]:
    """Yield where the audit found a group worse off that this patient belongs to."""
    compared = {
        (one["attribute"], one["metric"])
        for one in told.output["comparisons"]
        if _belongs(told, one["group"])
    }
    for output, one in disparities([told.output]):
        if one["worse"] == "reference":
            # A two-level attribute is compared once: patients of the other level are meant, too.
            known = len(one["group"]) == 1 and set(one["group"]) <= set(told.levels)
            mine = known and (one["attribute"], one["metric"]) not in compared
        else:
            mine = _belongs(told, one["group"])
        if mine:
            yield f"{told_sentence(output, one)} Worse off: {disadvantaged(one)}."


def _belongs(told: ToldCase, group: Mapping[str, Any]) -> bool:
    return all(told.levels.get(name) == str(level) for name, level in group.items())


def limits_of(told: ToldCase) -> Iterator[str]:
    """Yield what the score and its explanation cannot say."""
    yield word("notice", "case", "text")
    yield word("limit", "explanation", "text").partition(". ")[2]
    yield word("limit", "labels", "text")
    if told.model:
        for name in ("limitations", "out_of_scope"):
            text = declared_field(told.model, name)
            if text:
                yield f"{humanised(name)}, {model_label(told.output.get('model'))}: {text}"


def check_sentence(told: ToldCase) -> str:
    """Return how far the explanation may be trusted, worst check first."""
    checks = (told.explanation or {}).get("checks") or []
    if not checks:
        return "The explanation was not checked."
    order = ("fails", "weak", "not_checked", "reflects")
    worst = min((c["verdict"] for c in checks), key=order.index)
    names = ", ".join(
        f"{word('check_name', c['name']).lower()}: {word('check', c['verdict']).lower()}"
        for c in checks
    )
    return f"{word('check', worst)}. {names.capitalize()}."
