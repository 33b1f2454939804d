"""Tables of everything in the evidence beside groups and comparisons, read by path.

Each :class:`Source` names one list of the evidence. What is not listed by name stands in
``estimates``: one row for every estimate of the evidence, wherever it is, so that no interval of a
run is missing from its tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

ESTIMATE = ("value", "low", "high", "level", "k", "n", "n_patients", "deff", "method")
"""Keys of an estimate that a table keeps."""

_LIMITS = ("value", "low", "high", "n")
_IDENTITY = (
    *("attributes", "attribute", "group", "reference", "metric", "name", "label", "level"),
    *("suspect", "where", "month", "variable", "percentile", "parameter", "method", "conditions"),
    *("share", "side", "basis", "cut"),
)
_OWN = frozenset({"groups", "overall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One table, and where its rows lie.

    Attributes:
        name: File name without its ending.
        path: Keys from the top of the evidence; lists on the way are gone through, ``*`` goes
            through the entries of a mapping.
        plain: Columns that hold one value.
        estimates: Keys of estimates; each gives columns for value, limits and n.
    """

    name: str
    path: tuple[str, ...]
    plain: tuple[str, ...]
    estimates: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns in order."""
        spread = (f"{e}_{part}" for e in self.estimates for part in _LIMITS)
        return (*self.plain, *spread, "suppressed")


_OUTPUT = ("model", "output")
_TESTED = ("statistic", "df", "p", "method")

SOURCES: tuple[Source, ...] = (
    Source(
        name="thresholds",
        path=("outputs",),
        plain=(*_OUTPUT, "scope", "task", "label_column", "label_positive", "threshold_value",
               "threshold_source", "threshold_chosen_on"),
    ),
    Source(
        name="heterogeneity",
        path=("outputs", "heterogeneity"),
        plain=(*_OUTPUT, "metric", "attribute", *_TESTED),
        estimates=("tau2",),
    ),
    Source(
        name="largest_gaps",
        path=("outputs", "max_min_gap"),
        plain=(*_OUTPUT, "metric", "attribute", "gap", "fair_median", "fair_95", "p", "draws"),
    ),
    Source(
        name="shrinkage",
        path=("outputs", "shrinkage", "groups"),
        plain=(*_OUTPUT, "metric", "attribute", "attributes", "raw", "shrunk", "own_weight"),
    ),
    Source(
        name="reliability",
        path=("outputs", "reliability", "bins"),
        plain=(*_OUTPUT, "low", "high", "predicted"),
        estimates=("observed",),
    ),
    Source(
        name="adjusted_gaps",
        path=("outputs", "causes", "standardised_gaps", "gaps"),
        plain=(*_OUTPUT, "metric", "attribute", "group", "reference", "adjusted_for"),
        estimates=("crude", "standardised"),
    ),
    Source(
        name="slices",
        path=("outputs", "slices", "slices"),
        plain=(*_OUTPUT, "conditions", "metric", "p", "flagged"),
        estimates=("slice", "rest", "difference"),
    ),
    Source(
        name="importance",
        path=("explanations", "*", "outputs", "importance"),
        plain=(*_OUTPUT, "name", "label", "unit"),
        estimates=("mean_absolute_effect", "mean_effect"),
    ),
    Source(
        name="importance_of_random_cases",
        path=("explanations", "*", "global", "outputs", "importance"),
        plain=(*_OUTPUT, "rank", "name", "label", "unit"),
        estimates=("mean_absolute_effect", "mean_effect", "share"),
    ),
    Source(
        name="care_process",
        path=("explanations", "*", "global", "outputs", "care_process"),
        plain=(*_OUTPUT, "name", "label", "rank", "leaks"),
        estimates=("not_measured", "mean_absolute_effect", "share"),
    ),
    Source(
        name="explanation_checks",
        path=("explanations", "*", "checks"),
        plain=(*_OUTPUT, "name", "value", "null", "verdict", "decides", "reason"),
        estimates=("share",),
    ),
    Source(
        name="explanation_badges",
        path=("explanations", "*", "outputs", "badges"),
        plain=(*_OUTPUT, "verdict", "k", "n"),
    ),
    Source(
        name="protected_inputs",
        path=("explanations", "*", "protected_basis", "inputs"),
        plain=("model", "name", "label", "basis", "column", "role", "declared_protected",
               "association_measure"),
        estimates=("association",),
    ),
    Source(
        name="shortcuts",
        path=("shortcuts", "outputs"),
        plain=(*_OUTPUT, "suspect", "mass_share", "area_share", "margin", "q", "verdict", "reason"),
        estimates=("effect", "sham", "inserted"),
    ),
    Source(
        name="shortcut_probes",
        path=("shortcuts", "probes"),
        plain=("model", "attribute", "levels", "n", "patients", "reason"),
        estimates=("auc",),
    ),
    Source(
        name="site_profiles",
        path=("shortcuts", "profiles"),
        plain=(*_OUTPUT, "attribute", "statistic", "usual", "p", "q", "patients"),
    ),
    Source(
        name="versions",
        path=("comparison", "outputs", "groups", "metrics", "*"),
        plain=("output", "attributes", "metric", "test", "p", "q", "margin", "verdict", "reason"),
        estimates=("base", "candidate", "delta", "difference_in_differences"),
    ),
    Source(
        name="flips",
        path=("comparison", "outputs", "groups"),
        plain=("output", "attributes", "n", "negative_flips_k", "negative_flips_n",
               "positive_flips_k", "positive_flips_n"),
    ),
    Source(
        name="explanation_drift",
        path=("comparison", "explanation_drift", "outputs"),
        plain=("output", "against", "verdict", "beyond_noise_k", "beyond_noise_n"),
        estimates=("distance",),
    ),
    Source(
        name="missing_values",
        path=("data_quality", "missing"),
        plain=("variable", "missing", "n", "share"),
    ),
    Source(
        name="implausible_values",
        path=("data_quality", "implausible"),
        plain=("variable", "unit", "range", "k", "n"),
    ),
    Source(
        name="prevalence",
        path=("data_quality", "prevalence"),
        plain=("label", "attribute", "level", "k", "n", "share", "low", "high"),
    ),
    Source(
        name="prevalence_by_month",
        path=("data_quality", "prevalence_by_month", "months"),
        plain=("label", "month", "k", "n", "share", "low", "high"),
    ),
    Source(
        name="earlier_audits",
        path=("prior_runs",),
        plain=("run", "time", "policy_sha256"),
    ),
    Source(
        name="requirements",
        path=("requirements",),
        plain=("id", "profile", "citation", "name", "section", "state", "reason", "status",
               "effective", "checked_on", "verified"),
    ),
)  # fmt: skip
"""Every table by name, in the order of a report."""

ESTIMATES = (
    *("section", "model", "output", "about", "measure"),
    *ESTIMATE,
    *("reason", "suppressed"),
)
"""Columns of the table of all estimates."""


def source_rows(evidence: Mapping[str, Any], source: Source) -> Iterator[Row]:
    """Yield the rows of one table.

    Args:
        evidence: ``evidence.json`` at any release.
        source: Where they lie.
    """
    for entry, about in _entries(evidence, source.path, {}):
        row = {**about, **{k: entry[k] for k in source.plain if k in entry}}
        row |= {k: v for k, v in _below(entry, source.plain).items() if k not in row}
        for name in source.estimates:
            found = entry.get(name)
            row |= {f"{name}_{part}": (found or {}).get(part) for part in _LIMITS}
        yield {**row, "suppressed": _is_masked(entry, source)}


def _is_masked(entry: Mapping[str, Any], source: Source) -> bool:
    held = [entry.get(name) for name in source.estimates]
    return bool(entry.get("suppressed")) or any(
        isinstance(one, Mapping) and bool(one.get("suppressed")) for one in held
    )


def _below(entry: Mapping[str, Any], wanted: Sequence[str]) -> Row:
    """Return ``threshold_value`` and the like from one mapping further down."""
    return {
        f"{outer}_{inner}": value
        for outer, held in entry.items()
        if isinstance(held, Mapping)
        for inner, value in held.items()
        if f"{outer}_{inner}" in wanted
    }


def _entries(
    node: Any, path: Sequence[str], about: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Row]]:
    """Yield each entry at the end of a path, with what its ancestors say of it."""
    if isinstance(node, list):
        for one in node:
            yield from _entries(one, path, about)
    elif isinstance(node, Mapping):
        if not path:
            yield node, dict(about)
            return
        step, rest = path[0], path[1:]
        told = {**about, **_told(node)}
        if step == "*":
            name = "metric" if "model" in told or "output" in told else "model"
            for key, value in node.items():
                yield from _entries(value, rest, {**told, name: key})
        elif node.get(step) is not None:
            yield from _named(node[step], step, rest, told)


def _named(
    node: Any, step: str, rest: Sequence[str], told: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Row]]:
    """Go on below a key; an entry of ``outputs`` gives the output its name."""
    if step != "outputs" or not isinstance(node, list):
        yield from _entries(node, rest, told)
        return
    for one in node:
        name = one.get("name", one.get("output"))
        yield from _entries(one, rest, {**told, **_told(one), "output": name})


def _told(node: Mapping[str, Any]) -> Row:
    return {k: node[k] for k in ("model", "attributes", "attribute", "metric") if k in node}


def estimate_rows(evidence: Mapping[str, Any]) -> Iterator[Row]:
    """Yield every estimate of the evidence that the table of groups does not hold, in order.

    Args:
        evidence: ``evidence.json`` at any release.
    """
    for output in evidence["outputs"]:
        kept = {k: v for k, v in output.items() if k not in _OWN}
        yield from _estimates(kept, ("outputs",), {})
    for key, summary in (evidence.get("explanations") or {}).items():
        if isinstance(summary, Mapping):
            yield from _estimates(summary, ("explanations",), {"model": key})
    for section in ("shortcuts", "comparison"):
        yield from _estimates(evidence.get(section) or {}, (section,), {})


def _estimates(node: Any, path: tuple[str, ...], about: Mapping[str, Any]) -> Iterator[Row]:
    if isinstance(node, list):
        for one in node:
            yield from _estimates(one, path, about)
    elif isinstance(node, Mapping):
        told = {**about, **_about(node, path)}
        for key, value in node.items():
            if _is_estimate(value):
                yield _estimate_row(value, key, path, told)
            elif key not in ("attributes", "group"):
                named = {"metric": key} if path[-1] == "metrics" else {}
                yield from _estimates(value, (*path, key), {**told, **named})


def _estimate_row(
    value: Mapping[str, Any], measure: str, path: Sequence[str], told: Mapping[str, Any]
) -> Row:
    return {
        **{k: value.get(k) for k in (*ESTIMATE, "reason")},
        "section": "/".join(path),
        "model": told.get("model"),
        "output": told.get("output"),
        "about": {k: v for k, v in told.items() if k not in ("model", "output")},
        "measure": measure,
        "suppressed": bool(value.get("suppressed")),
    }


def _about(node: Mapping[str, Any], path: Sequence[str]) -> Row:
    """Return what names an entry: its model, its output, its group and the like."""
    told = {k: node[k] for k in _IDENTITY if node.get(k) is not None and not _is_estimate(node[k])}
    told |= {k: node[k] for k in ("model", "output") if k in node}
    if path[-1] == "outputs":
        told = {k: v for k, v in told.items() if k not in ("name", "label")}
        told["output"] = node.get("name", node.get("output"))
    return told


def _is_estimate(value: Any) -> bool:
    return isinstance(value, Mapping) and {"value", "low", "high"} <= set(value)
