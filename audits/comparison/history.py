"""Many versions over time on one axis, and what changed between them beside the model.

A metric of two runs may be set side by side only where the data, the label and the scope are the
same. Every run therefore belongs to a strand; estimates of different strands stand on one axis in
time but are never joined, and no change is stated between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Evidence = Mapping[str, Any]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version in one run.

    Attributes:
        run: Id of the run.
        time: When it was made.
        model: ``id@version``, or None for a table of scores.
        strand: Which data it was judged on, counted from 1 in the order of first use.
        threshold: Where it calls a case, or None.
        estimate: The metric's ESTIMATE in the asked group, or None where the run has none.
        changed: What differs from the version before it, in words; empty for the first.
        comparable: Whether it may be compared with the version before it.
    """

    run: str
    time: str
    model: str | None
    strand: int
    threshold: float | None
    estimate: Mapping[str, Any] | None
    changed: tuple[str, ...]
    comparable: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "run": self.run,
            "time": self.time,
            "model": self.model,
            "strand": self.strand,
            "threshold": self.threshold,
            "estimate": None if self.estimate is None else dict(self.estimate),
            "changed": list(self.changed),
            "comparable": self.comparable,
        }


def outputs_known(runs: Sequence[Evidence]) -> tuple[str, ...]:
    """Return the names of all outputs, in the order they first appear."""
    return tuple(dict.fromkeys(output["name"] for run in runs for output in run["outputs"]))


def version_history(
    runs: Sequence[Evidence],
    *,
    output: str,
    metric: str,
    attributes: Mapping[str, str] | None = None,
    model: str | None = None,
) -> tuple[Version, ...]:
    """Return every version that gave an output, oldest first.

    Args:
        runs: Evidence of the runs, at whichever release they have; of two runs of the same second
            the one listed first is the later, as :func:`audits.storage.list_runs` lists them.
        output: Name of the output.
        metric: METRIC of the contract.
        attributes: The group; everybody by default.
        model: Id without version; by default all models.

    Returns:
        One entry for each run and version. What was made again from the same weights, data,
        policy and threshold is kept once, at its latest.
    """
    found: dict[Key, tuple[Evidence, Mapping[str, Any]]] = {}
    for run in sorted(runs[::-1], key=lambda one: str(one["run"]["created"])):  # noqa: C415 - ties
        for one in run["outputs"]:
            if one["name"] == output and (model is None or _id_of(one) == model):
                found.pop(_same(run, one), None)
                found[_same(run, one)] = (run, one)
    strands: dict[Key, int] = {}
    versions: list[Version] = []
    before: tuple[Evidence, Mapping[str, Any]] | None = None
    for run, one in found.values():
        strand = strands.setdefault(_data(run, one), len(strands) + 1)
        versions.append(
            Version(
                run=str(run["run"]["id"]),
                time=str(run["run"]["created"]),
                model=one["model"],
                strand=strand,
                threshold=one["threshold"]["value"],
                estimate=_estimate(one, metric, dict(attributes or {})),
                changed=() if before is None else tuple(_changes(before, (run, one))),
                comparable=before is not None and _data(*before) == _data(run, one),
            )
        )
        before = (run, one)
    return tuple(versions)


def _id_of(output: Mapping[str, Any]) -> str:
    return str(output["model"] or "").rpartition("@")[0]


def _data(run: Evidence, output: Mapping[str, Any]) -> Key:
    """Return what two estimates must share to be alike."""
    study, label = run["study"], output["label"]
    told = (study["sha256"], label["column"], label["positive"], output["scope"])
    return (*map(str, told), str(output.get("task", "binary")))


def _same(run: Evidence, output: Mapping[str, Any]) -> Key:
    weights = {f"{m['id']}@{m['version']}": m["weights_sha256"] for m in run["models"]}
    told = (
        output["model"] or run["study"]["name"],
        weights.get(output["model"]),
        run["declaration"]["policy_sha256"],
        output["threshold"]["value"],
    )
    return (*_data(run, output), *map(str, told))


def _estimate(
    output: Mapping[str, Any], metric: str, attributes: dict[str, str]
) -> Mapping[str, Any] | None:
    groups = [{"attributes": {}, **output["overall"]}, *output["groups"]]
    for group in groups:
        if dict(group["attributes"]) == attributes:
            found: Mapping[str, Any] | None = group["metrics"].get(metric)
            return found
    return None


def _changes(
    before: tuple[Evidence, Mapping[str, Any]], after: tuple[Evidence, Mapping[str, Any]]
) -> list[str]:
    """Say in words what differs between two runs beside the model's weights."""
    (old_run, old), (run, new) = before, after
    found = [*_data_changes(old_run, run), *_label_changes(old, new)]
    if old["threshold"]["value"] != new["threshold"]["value"]:
        found.append(f"threshold {_number(old)} to {_number(new)}")
    return found + _policy_changes(old_run, run)


def _data_changes(old: Evidence, new: Evidence) -> list[str]:
    first, second = old["study"], new["study"]
    if first["sha256"] == second["sha256"]:
        return []
    if first["name"] != second["name"]:
        return [f"other data: {first['name']} to {second['name']}"]
    cases = f"{_count(first['cases'])} to {_count(second['cases'])} cases"
    version = f"{first.get('version')} to {second.get('version')}"
    return [f"other data: {first['name']}, version {version}, {cases}"]


def _label_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    found = []
    if old["label"] != new["label"]:
        pair = [f"{one['label']['column']} = {one['label']['positive']}" for one in (old, new)]
        found.append(f"other label: {pair[0]} to {pair[1]}")
    if old["scope"] != new["scope"]:
        found.append(f"scope {old['scope']} to {new['scope']}")
    return found


def _policy_changes(old: Evidence, new: Evidence) -> list[str]:
    if old["declaration"]["policy_sha256"] == new["declaration"]["policy_sha256"]:
        return []
    first, second = old["policy"], new["policy"]
    old_margin, new_margin = first["margin"], second["margin"]
    moved = [
        f"margin of {name} {old_margin.get(name, 'none')} to {new_margin.get(name, 'none')}"
        for name in sorted({*old_margin, *new_margin})
        if old_margin.get(name) != new_margin.get(name)
    ]
    sections = [
        f"{name} of the policy"
        for name in ("groups", "intersections", "verdict_metrics", "reference", "alpha")
        if first["audit"].get(name) != second["audit"].get(name)
    ]
    return [*moved, *(f"other {name}" for name in sections)] or ["another policy file"]


def _count(value: int | None) -> str:
    return "masked" if value is None else f"{value:,}"


def _number(output: Mapping[str, Any]) -> str:
    value = output["threshold"]["value"]
    return "none" if value is None else f"{value:g}"
