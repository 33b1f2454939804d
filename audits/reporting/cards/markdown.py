"""A model card in Markdown, in the headings that Hugging Face uses.

The front matter holds ``model-index`` results, overall and for each group (the group stands in
the metric's name and arguments, since the format knows no slices).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.charts import verdict_of, verdicts_of
from audits.reporting.digest import PLACEHOLDER, with_digest
from audits.reporting.document.findings import disparities, output_label, told
from audits.reporting.document.front import STANCE
from audits.reporting.document.results import measures
from audits.reporting.order import in_order
from audits.reporting.requirements import card_field, declared_field
from audits.reporting.signoff.filing import DRAFT, Filing, with_signoff
from audits.reporting.summary import verdict_counts
from audits.reporting.words import (
    count,
    day,
    estimate_text,
    group_label,
    humanised,
    model_key,
    model_label,
    plural,
    unit_of,
    word,
)

Evidence = Mapping[str, Any]
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#$])")

_DECLARED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Model Details", ("developer", "contact", "funding", "release_stage", "regulatory_status")),
    ("Uses", ("intended_use", "intended_users", "population", "decision_role", "out_of_scope")),
    ("Bias, Risks and Limitations", ("limitations", "fairness_approach", "bias_mitigation")),
    ("Training Details", ("training_data", "training_label", "inclusion_criteria")),
    ("Technical Specifications", ("architecture", "development", "design_choices")),
)


def model_card(evidence: Evidence, filing: Filing = DRAFT) -> bytes:
    """Return the card as UTF-8 Markdown.

    Args:
        evidence: ``evidence.json`` at any release; what is masked there is said to be suppressed.
        filing: What people signed of the run, and which profiles the card answers.
    """
    ordered = with_signoff(in_order(evidence), filing)
    lines = [*_front_matter(ordered), *_body(ordered)]
    text = "\n".join(lines).rstrip()
    return with_digest(f"{text}\n\n<!-- {PLACEHOLDER} -->\n".encode())


def plain(text: object) -> str:
    """Return a text that Markdown shows as it stands, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _front_matter(evidence: Evidence) -> Iterator[str]:
    """Yield YAML; every value is JSON, which is YAML too."""
    yield "---"
    yield 'language: "en"'
    yield 'tags: ["healthcare", "bias-audit", "auscult"]'
    yield "model-index:"
    keys = [model_key(m) for m in evidence["models"]]
    for key in keys or ("",):
        yield f"- name: {json.dumps(model_label(key or None), ensure_ascii=False)}"
        results = [
            _result(evidence, o) for o in evidence["outputs"] if not key or o["model"] == key
        ]
        yield f"  results: {json.dumps(results, ensure_ascii=False)}"
    yield "---"


def _result(evidence: Evidence, output: Mapping[str, Any]) -> dict[str, Any]:
    study = evidence["study"]
    shown = measures(evidence, [output])
    groups = ({"attributes": {}, **output["overall"]}, *output["groups"])
    return {
        "task": {"type": output.get("task") or "binary", "name": output["name"]},
        "dataset": {
            "name": study["name"],
            "type": study["name"],
            "revision": study.get("sha256"),
            "config": output.get("scope"),
        },
        "metrics": [
            metric for group in groups for name in shown if (metric := _metric(group, name))
        ],
    }


def _metric(group: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    estimate = group["metrics"].get(name) or {}
    if estimate.get("value") is None:
        return None
    attributes = group["attributes"]
    label = word("metric", name)
    found: dict[str, Any] = {
        "type": name,
        "value": estimate["value"],
        "name": f"{label}, {group_label(attributes)}" if attributes else label,
        "args": {k: estimate.get(k) for k in ("low", "high", "level", "n")},
    }
    if attributes:
        found["args"]["group"] = dict(attributes)
    return found


def _body(evidence: Evidence) -> Iterator[str]:
    names = [model_label(model_key(m)) for m in evidence["models"]]
    yield f"\n# {plain(' and '.join(names) or 'Table of scores')}\n"
    yield f"> {STANCE}\n"
    for heading, fields in _DECLARED[:3]:
        yield from _declared(evidence, heading, fields)
    yield from _verdicts(evidence)
    yield from _declared(evidence, *_DECLARED[3])
    yield from _evaluation(evidence)
    yield from _examination(evidence)
    yield from _declared(evidence, *_DECLARED[4])
    yield from _identity(evidence)


def _declared(evidence: Evidence, heading: str, fields: Sequence[str]) -> Iterator[str]:
    yield f"\n## {heading}\n"
    for model in evidence["models"]:
        if len(evidence["models"]) > 1:
            yield f"\n**{plain(model_label(model['id'] + '@' + model['version']))}**\n"
        for name in fields:
            text = declared_field(model, name)
            said = plain(text) if text else "*not available: the model's card does not declare it*"
            yield f"- {card_field(name).label}: {said}"
    if not evidence["models"]:
        yield "*Not available: no model was handed over, only its scores.*"


def _verdicts(evidence: Evidence) -> Iterator[str]:
    counts = verdict_counts(evidence["outputs"])
    yield "\n### Differences between groups\n"
    yield "; ".join(f"{word('verdict', v)}: {n:,}" for v, n in counts.items()) + ".\n"
    for output, one in disparities(evidence["outputs"]):
        yield f"- {plain(told(output, one))} {word('strength', one['strength']).capitalize()}."
    yield f"\n{word('limit', 'absence', 'text')}"


def _evaluation(evidence: Evidence) -> Iterator[str]:
    study = evidence["study"]
    cases = count(study.get("cases"), suppressed=bool(study.get("suppressed")))
    yield "\n## Evaluation\n"
    yield "### Testing Data, Factors and Metrics\n"
    scope = word("scope", study.get("scope")) or "scope not declared"
    yield f"- Data: {plain(study['name'])} ({plain(scope)}), {cases} cases"
    audit = evidence["policy"].get("audit", {})
    factors = [humanised(g) for g in audit.get("groups") or []]
    factors += [" × ".join(map(humanised, pair)) for pair in audit.get("intersections") or []]
    yield f"- Factors: {plain(', '.join(factors) or 'none declared')}"
    declared = [word("metric", m) for m in audit.get("verdict_metrics") or []]
    yield f"- Metrics: {plain(', '.join(declared))}, with 95 % intervals"
    yield "\n### Results\n"
    for output in evidence["outputs"]:
        yield from _results(evidence, output)


def _results(evidence: Evidence, output: Mapping[str, Any]) -> Iterator[str]:
    shown = measures(evidence, [output])
    verdicts = verdicts_of(output)
    yield f"\n#### {plain(output_label(output))}\n"
    yield "| Group | Cases | " + " | ".join(plain(word("metric", m)) for m in shown) + " |"
    yield "|---|---:|" + "---:|" * len(shown)
    for group in ({"attributes": {}, **output["overall"]}, *output["groups"]):
        said = []
        for metric in shown:
            verdict = verdict_of(verdicts, group["attributes"], metric)
            mark = f"{word('verdict', verdict, 'symbol')} " if verdict else ""
            said.append(mark + estimate_text(group["metrics"].get(metric), unit_of(metric)))
        n = count(group.get("n"), suppressed=bool(group.get("suppressed")))
        yield f"| {plain(group_label(group['attributes']))} | {n} | {' | '.join(said)} |"
    legend = [
        f"{word('verdict', v, 'symbol')} {word('verdict', v).lower()}" for v in verdict_counts([])
    ]
    yield f"\n{', '.join(legend)}"


def _examination(evidence: Evidence) -> Iterator[str]:
    yield "\n## Model Examination\n"
    explained = [(key, s) for key, s in evidence["explanations"].items() if isinstance(s, Mapping)]
    for key, summary in explained:
        cases = count(summary.get("cases"), suppressed=True)
        method = plain(word("method", summary.get("method")))
        yield f"- {plain(model_label(key))}: {method}, {cases} cases"
        for output in summary.get("outputs") or ():
            top = [
                plain(one.get("label") or one["name"]) for one in output.get("importance", ())[:5]
            ]
            if top:
                yield f"  - {plain(humanised(output['name']))}: largest effects of {', '.join(top)}"
    if not explained:
        yield "*Not available: no case was explained.*"
    yield f"\n{word('limit', 'explanation', 'text')}"


def _identity(evidence: Evidence) -> Iterator[str]:
    run = evidence["run"]
    yield "\n## Identity of this audit\n"
    yield f"- Run: `{run['id']}`, {day(run['created'])}, {evidence['release']} release"
    for model in evidence["models"]:
        yield f"- Weights of {plain(model['id'])}, sha256: `{model['weights_sha256']}`"
    yield f"- Data, sha256: `{evidence['study'].get('sha256')}`"
    yield f"- Policy, sha256: `{evidence['declaration']['policy_sha256']}`"
    yield f"- Earlier audits known: {plural(len(evidence['prior_runs']), 'run')}"
