"""Section 3: every input, what it measures or may stand in for, and what was decided on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Grid,
    Heading,
    Missing,
    Row,
    Text,
)
from audits.reporting.document.model_parts import model_name
from audits.reporting.document.signed import signoff_of
from audits.reporting.document.tables import cells, estimate_cell
from audits.reporting.naming import unit_text
from audits.reporting.words import MISSING, estimate_text, humanised, model_key

Evidence = Mapping[str, Any]

_ROLES = {"measures": "measures", "proxy": "may stand in for", "none": "–"}
_MEASURES = {
    "eta": "correlation ratio",
    "cramers_v": "Cramér's V",
    "cramers_v_missing": "Cramér's V of whether it was measured",
    "cramers_v_word": "Cramér's V of its most telling word",
}


def inputs(evidence: Evidence) -> Iterator[Block]:
    """Yield section 3: the protected-basis inventory of 45 CFR 92.210(b)."""
    listed = [m for m in evidence["models"] if m.get("inputs")]
    if not listed:
        yield Missing(text="The run does not list the model's inputs.")
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for model in listed:
        alike.setdefault(_names(model), []).append(model)
    for names, models in alike.items():
        if len(alike) > 1:
            yield Heading(text=" and ".join(map(model_name, models)))
        yield from _without_variables(models)
        if names:
            yield from _declared_bases(models[0])
            yield from _inventory(evidence, models)
    yield from _decisions(evidence)


def _features(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [f for field in model["inputs"] for f in field.get("features") or ()]


def _names(model: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(str(f["name"]) for f in _features(model)))


def _without_variables(models: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """Yield a sentence on inputs such as images, which have no named variables."""
    seen = {
        (f["name"], f["modality"]) for m in models for f in m["inputs"] if not f.get("features")
    }
    for name, modality in sorted(seen):
        yield Text(
            text=f"Input “{name}” ({modality}): it has no named variables. Sex, "
            "age and ancestry can often be read from an image, so it may carry a protected basis."
        )


def _declared_bases(model: Mapping[str, Any]) -> Iterator[Block]:
    features = _features(model)
    names = ", ".join(f["label"] for f in features if f.get("protected"))
    yield Text(
        text=f"The study declares that these inputs measure a protected basis: {names}."
        if names
        else "The study declares that none of the inputs measures a protected basis."
    )
    unknown = [f["label"] for f in features if f.get("protected") is None]
    if unknown:
        yield Missing(text=f"The study does not describe these inputs: {', '.join(unknown)}.")


def _inventory(evidence: Evidence, models: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """Yield the table: what each input measures, its association, its share of attribution."""
    scans = {model_key(m): _scan(evidence, model_key(m)) for m in models}
    found = {key: _strongest(scan.get("inputs") or ()) for key, scan in scans.items()}
    first = next((held for held in found.values() if held), {})
    weight = {model_key(m): _importance(evidence, model_key(m)) for m in models}
    ordered = sorted(_features(models[0]), key=lambda f: _rank(f, first.get(f["name"])))
    yield Grid(
        caption="Inventory of inputs, those that measure or may stand in for a protected basis "
        "first; share: of all absolute attribution, 95 % interval",
        columns=(
            Column(label="Input", share=1.7),
            Column(label="Protected basis", share=1.7),
            Column(label="Association", align="right", share=1.3),
            *(Column(label=_share_label(m, scans), align="right", share=1.3) for m in models),
            Column(label="Can be acted on", share=0.8),
        ),
        rows=tuple(_row(feature, first, models, found, weight) for feature in ordered),
    )
    yield from _notes(scans, first)


def _scan(evidence: Evidence, key: str) -> Mapping[str, Any]:
    summary = evidence["explanations"].get(key) or {}
    found: Mapping[str, Any] = summary.get("protected_basis") or {}
    return found


def _strongest(entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return, for each input, the entry of the basis that it is closest to."""
    order = ("none", "proxy", "measures")
    found: dict[str, Mapping[str, Any]] = {}

    def rank(one: Mapping[str, Any]) -> tuple[int, float]:
        value = (one.get("association") or {}).get("value")
        return order.index(one["role"]), -1.0 if value is None else value

    for one in entries:
        before = found.get(one["name"])
        if before is None or rank(one) > rank(before):
            found[one["name"]] = one
    return found


def _share_label(model: Mapping[str, Any], scans: Mapping[str, Mapping[str, Any]]) -> str:
    what = "Share" if scans[model_key(model)].get("inputs") else "Mean |effect|, logits"
    return f"{what}, {model_name(model)}"


def _rank(feature: Mapping[str, Any], scanned: Mapping[str, Any] | None) -> int:
    role = (scanned or {}).get("role", "none")
    if feature.get("protected") or role == "measures":
        return 0
    return 1 if role == "proxy" else 2


def _row(
    feature: Mapping[str, Any],
    first: Mapping[str, Mapping[str, Any]],
    models: Sequence[Mapping[str, Any]],
    found: Mapping[str, Mapping[str, Mapping[str, Any]]],
    weight: Mapping[str, Mapping[str, str]],
) -> Row:
    name = str(feature["name"])
    scanned = first.get(name) or {}
    role = scanned.get("role") or ("measures" if feature.get("protected") else "none")
    basis = scanned.get("basis")
    told = f"{_ROLES[role]} {str(basis or '').replace('_', ' ')}".strip(" –")
    if role == "none":
        told = f"no; closest: {str(basis).replace('_', ' ')}" if basis else "no"
    associated = scanned.get("association")
    shares = [_share(found[model_key(m)].get(name), weight[model_key(m)].get(name)) for m in models]
    return Row(
        cells=(
            Cell(text=str(feature["label"]), note=unit_text(feature.get("unit"))),
            Cell(text=told, tone="strong" if role != "none" else "muted"),
            estimate_cell(associated, "") if associated else Cell(text="–", tone="muted"),
            *shares,
            *cells(_yes(feature.get("actionable"))).cells,
        )
    )


def _share(scanned: Mapping[str, Any] | None, plain: str | None) -> Cell:
    shares = (scanned or {}).get("shares") or []
    if len(shares) == 1:
        return estimate_cell(shares[0]["share"], "tpr")
    if shares:
        said = [f"{humanised(s['output'])} {estimate_text(s['share'], 'percent')}" for s in shares]
        return Cell(text="; ".join(said))
    return Cell(text=plain or "–", tone="" if plain else "muted")


def _yes(value: bool | None) -> str:  # noqa: FBT001 - the cell of one flag
    return MISSING if value is None else "yes" if value else "no"


def _importance(evidence: Evidence, key: str) -> dict[str, str]:
    summary = evidence["explanations"].get(key) or {}
    outputs = summary.get("outputs") or []
    if len(outputs) != 1:
        return {}
    return {
        one["name"]: estimate_text(one["mean_absolute_effect"])
        for one in outputs[0].get("importance", ())
    }


def _notes(
    scans: Mapping[str, Mapping[str, Any]], first: Mapping[str, Mapping[str, Any]]
) -> Iterator[Block]:
    scan = next((s for s in scans.values() if s.get("inputs")), None)
    if scan is None:
        reason = next((s["reason"] for s in scans.values() if s.get("reason")), None)
        yield Missing(
            text=reason
            or "Whether other inputs stand in for a protected basis (proxies such as postcode, "
            "insurance or scanner) was not measured in this run."
        )
        return
    used = dict.fromkeys(
        _MEASURES.get(str(i.get("association_measure")), "") for i in first.values()
    )
    yield Text(
        text=f"Association: {', '.join(m for m in used if m)}, 0 to 1, with the basis it is "
        f"strongest with; from {scan['proxy_from']:g} on an input may stand in for the basis. An "
        "association is no proof that the model uses it so.",
        style="small",
    )
    for one in scan.get("bases") or ():
        if one.get("state") == "not_available":
            yield Missing(text=f"{humanised(one['basis'])}: {one['reason']}")


def _decisions(evidence: Evidence) -> Iterator[Block]:
    """Yield what the owner decided on inputs, with the justification."""
    made = signoff_of(evidence).inputs
    if made:
        yield Grid(
            caption="Decisions on inputs, with their justification",
            columns=(
                Column(label="Input", share=1.2),
                Column(label="Decision", share=0.8),
                Column(label="Justification", share=3),
                Column(label="By", share=1.4),
            ),
            rows=tuple(
                cells(name, one["decision"], one["reason"], one["by"]) for name, one in made.items()
            ),
        )
