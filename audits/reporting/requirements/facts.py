"""What a run holds, as facts that requirements can ask for.

Each fact is true or false of one ``evidence.json``; a false one has a sentence that says why.
The sentences hold no number, so that a restricted release may print them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

Evidence = Mapping[str, Any]
Outputs = Iterable[Mapping[str, Any]]

SCOPES = ("same_source_test", "external", "local")
_SCOPE_WORDS = {
    "same_source_test": "test data of the training source",
    "external": "data of another source",
    "local": "local data",
}


def _performance(outputs: Outputs) -> bool:
    return any(
        estimate.get("value") is not None
        for output in outputs
        for estimate in output["overall"]["metrics"].values()
    )


def _groups(outputs: Outputs) -> bool:
    return any(output["groups"] for output in outputs)


def _verdicts(outputs: Outputs) -> bool:
    return any(c.get("verdict") for output in outputs for c in output["comparisons"])


def _explained(evidence: Evidence) -> bool:
    return any(
        isinstance(one, Mapping) and one.get("cases") for one in evidence["explanations"].values()
    )


def _robustness(evidence: Evidence) -> bool:
    """Return whether the run tells what changes with sites, changed or missing inputs."""
    quality = evidence["data_quality"]
    sites = {p.get("attribute") for p in quality.get("prevalence") or ()} - {None}
    spread = (h for o in evidence["outputs"] for h in o.get("heterogeneity") or ())
    explained = (s for s in evidence["explanations"].values() if isinstance(s, Mapping))
    missing = (o for s in explained for o in (s.get("global") or {}).get("outputs") or ())
    return (
        bool(evidence["shortcuts"].get("outputs"))
        or any(h["attribute"] in sites for h in spread)
        or any(o.get("care_process") for o in missing)
    )


def _searched(output: Mapping[str, Any]) -> bool:
    return (output.get("slices") or {}).get("state") == "computed"


def _of_outputs(test: Callable[[Outputs], bool]) -> Callable[[Evidence], bool]:
    return lambda evidence: test(evidence["outputs"])


def _in_scope(test: Callable[[Outputs], bool], scope: str) -> Callable[[Evidence], bool]:
    return lambda evidence: test([o for o in evidence["outputs"] if o.get("scope") == scope])


def _never(evidence: Evidence) -> bool:  # noqa: ARG001 - one signature for all facts
    return False


Fact = tuple[Callable[[Evidence], bool], str]


def _scoped() -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    for scope in SCOPES:
        absent = f"This run used no {_SCOPE_WORDS[scope]}."
        for name, test in (
            ("performance", _performance),
            ("groups", _groups),
            ("verdicts", _verdicts),
        ):
            found[f"{name}.{scope}"] = (_in_scope(test, scope), absent)
    return found


FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        "identity": (
            lambda e: bool(e["models"]) and bool(e["run"]["id"]),
            "No model was handed over, only a table of scores.",
        ),
        "outputs": (lambda e: bool(e["outputs"]), "The run holds no output."),
        "task": (
            lambda e: any(o.get("task") for o in e["outputs"]),
            "The run does not name the task.",
        ),
        "labels": (
            lambda e: any((o.get("label") or {}).get("column") for o in e["outputs"]),
            "The run names no label.",
        ),
        "thresholds": (
            lambda e: any(
                (o.get("threshold") or {}).get("value") is not None for o in e["outputs"]
            ),
            "Nobody set a threshold.",
        ),
        "sample_size": (_of_outputs(_performance), "No output could be evaluated."),
        "performance": (_of_outputs(_performance), "No output could be evaluated."),
        "groups": (_of_outputs(_groups), "The data declare no group."),
        "verdicts": (_of_outputs(_verdicts), "No comparison of groups was declared."),
        **_scoped(),
        "confusion": (
            lambda e: any(
                o["overall"]["metrics"].get("tpr", {}).get("k") is not None for o in e["outputs"]
            ),
            "Without a threshold nothing is called positive.",
        ),
        "heterogeneity": (
            lambda e: any(o.get("heterogeneity") for o in e["outputs"]),
            "No attribute has enough groups to measure their spread.",
        ),
        "policy": (
            lambda e: bool(e["declaration"].get("policy_sha256")),
            "No policy was declared.",
        ),
        "versions": (lambda e: bool(e["run"].get("versions")), "The run names no versions."),
        "skipped": (lambda e: "skipped" in e, "The run does not list skipped cases."),
        "release": (lambda e: bool(e.get("release")), "No release is declared."),
        "restricted": (
            lambda e: e.get("release") == "restricted",
            "This is the internal release with exact counts; it must not leave the site.",
        ),
        "missing": (
            lambda e: bool(e["data_quality"].get("missing")),
            "Missing values were not counted.",
        ),
        "data_quality": (lambda e: bool(e["data_quality"]), "Data quality was not examined."),
        "partitions": (
            lambda e: bool(e["data_quality"].get("shared_patients")),
            "The data hold no patient or no partition to compare.",
        ),
        "input_features": (
            lambda e: any(m.get("inputs") for m in e["models"]),
            "The run does not list the model's inputs.",
        ),
        "explanations": (_explained, "No case was explained."),
        "comparison": (
            lambda e: bool(e["comparison"]),
            "This run compares no two versions; `auscult compare` does.",
        ),
        "error_analysis": (
            lambda e: bool(e["shortcuts"]) or any(_searched(o) for o in e["outputs"]),
            "No analysis of errors and no shortcut audit was made.",
        ),
        "robustness": (
            _robustness,
            "The run has no sites to compare, no shortcut audit and no test of missing inputs.",
        ),
        "drift": (_never, "The run does not see the training data, so no drift was measured."),
        "training_demographics": (_never, "The run does not see the training data."),
    }
)
"""Fact name to its test and to the sentence that is printed where it does not hold."""


def holds(name: str, evidence: Evidence) -> bool:
    """Return whether a fact holds of a run."""
    return FACTS[name][0](evidence)


def why_not(name: str) -> str:
    """Return why a fact does not hold."""
    return FACTS[name][1]
