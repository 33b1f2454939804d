"""Cover and executive page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Fact,
    Grid,
    Heading,
    Missing,
    Row,
    Text,
    Tile,
    Tiles,
)
from audits.reporting.document.findings import (
    comparisons,
    disadvantaged,
    disparities,
    told,
)
from audits.reporting.document.signed import actions_text, later_limits, state_text
from audits.reporting.requirements import card_field
from audits.reporting.summary import judged, unsettled, verdict_counts, version_counts
from audits.reporting.words import (
    count,
    day,
    group_label,
    humanised,
    margin_text,
    model_key,
    model_label,
    ordinal,
    plural,
    word,
)

Evidence = Mapping[str, Any]
TOLD = 2
"""Disparities told in full sentences on the executive page; section 7 lists all."""

STANCE = (
    "This report is evidence for a decision that people take. It describes the model on these "
    "data; it does not say that the model is fair, safe or meets a law."
)
FILING = ("department", "record_number", "distribution")
"""Fields of the filing block that the filing office declares."""
RETENTION = "10 years (design default: the longest of the retention rules that it may fall under)"


def cover_facts(evidence: Evidence, evidence_sha256: str) -> tuple[Fact, ...]:
    """Return the filing block: what was audited, with which data, when and by what."""
    return tuple(_cover(evidence, evidence_sha256))


def _cover(evidence: Evidence, evidence_sha256: str) -> Iterator[Fact]:
    run, study = evidence["run"], evidence["study"]
    yield Fact(label="Report", value=run["id"], code=True)
    for model in evidence["models"]:
        key = model_label(model_key(model))
        yield Fact(label="Model", value=key)
        yield Fact(label="Weights, sha256", value=model["weights_sha256"], code=True)
    if not evidence["models"]:
        yield Fact(label="Model", value="Not handed over: a table of labels and scores was audited")
    hidden = bool(study.get("suppressed"))
    patients = study.get("patients")
    people = f", {plural(patients, 'patient')}" if patients is not None else ""
    version = f" {study['version']}" if study.get("version") else ""
    cases = count(study.get("cases"), suppressed=hidden)
    yield Fact(label="Data", value=f"{study['name']}{version}: {cases} cases{people}")
    yield Fact(label="Scope of the data", value=word("scope", study.get("scope")) or "not declared")
    yield Fact(label="Data, sha256", value=str(study.get("sha256")), code=True)
    declared = evidence["declaration"]
    yield Fact(label="Policy", value=f"{declared['by']}, declared {day(declared['time'])}")
    yield Fact(label="Policy, sha256", value=str(declared["policy_sha256"]), code=True)
    yield Fact(label="Computed", value=day(run["created"]))
    yield Fact(label="Auscult", value=f"version {run['versions'].get('auscult', 'unknown')}")
    yield Fact(label="Release", value=RELEASE_WORDS[evidence["release"]])
    yield Fact(label="Law and guidance", value=f"as of {checked_on(evidence)}")
    yield Fact(label="Retention class", value=RETENTION)
    yield Fact(label="State", value=state_text(evidence["signoff"]))
    for name in FILING:
        said = evidence["signoff"].fields.get(name)
        if said:
            yield Fact(
                label=card_field(name).label,
                value=said["text"] or f"not available: {said['reason']}",
            )
    yield Fact(label="evidence.json, sha256", value=evidence_sha256, code=True)


RELEASE_WORDS = {
    "internal": "internal: exact counts, for use on site only",
    "restricted": "restricted: small counts, and what would reveal them, are suppressed",
}


def checked_on(evidence: Evidence) -> str:
    """Return when the oldest citation was last checked."""
    dates = [r["checked_on"] for r in evidence["requirements"] if r.get("checked_on")]
    return min(dates) if dates else "not available"


def executive(evidence: Evidence) -> Iterator[Block]:
    """Yield the page that a person without statistics reads."""
    outputs = evidence["outputs"]
    counts = verdict_counts(outputs)
    found = disparities(outputs)
    confirmed = sum(c["strength"] == "confirmed" for _, c in found)
    yield Text(text=_headline(counts, confirmed), style="lead")
    yield Tiles(
        tiles=tuple(
            Tile(
                mark=name,
                value=f"{counts[name]:,}",
                label=word("verdict", name),
                detail=(f"{confirmed:,} confirmed. " if name == "disparity" and confirmed else "")
                + word("verdict", name, "definition"),
            )
            for name in counts
        )
    )
    yield from _worst(found)
    yield from _untold(evidence, counts)
    yield from _versions(evidence)
    yield Heading(text="Who set the margins")
    yield from _margins(evidence)
    yield from later_limits(evidence)
    yield Heading(text="Earlier audits and open actions")
    yield from _earlier(evidence)
    yield from actions_text(evidence)


def _headline(counts: Mapping[str, int], confirmed: int) -> str:
    total = judged(counts)
    if not total:
        return "No comparison of groups was declared, so this run reaches no verdict."
    compared = plural(total, "comparison")
    if not counts["disparity"]:
        return (
            f"Of {compared} declared before the run, none shows a disparity. "
            f"{unsettled(counts):,} could not be settled: that is "
            "not evidence of equal treatment."
        )
    how = f"{confirmed:,} of them confirmed" if confirmed else "none of them confirmed"
    return (
        f"Of {compared} declared before the run, {counts['disparity']:,} "
        f"{'shows' if counts['disparity'] == 1 else 'show'} a disparity, {how}."
    )


def _worst(found: list[Any]) -> Iterator[Block]:
    confirmed = [pair for pair in found if pair[1]["strength"] == "confirmed"]
    yield Heading(text="The largest confirmed disparity")
    if not confirmed:
        yield Text(text="No disparity is confirmed beyond its margin after correction.")
    else:
        output, worst = confirmed[0]
        yield Text(text=told(output, worst), style="note")
        yield Text(
            text=f"Worse off: {disadvantaged(worst)}. “Confirmed” means: "
            f"{_small(word('strength', 'confirmed', 'definition'))}",
            style="small",
        )
    others = [pair for pair in found if not confirmed or pair is not confirmed[0]]
    if others:
        yield Heading(text="Further disparities" if confirmed else "Disparities, not confirmed")
        for output, one in others[:TOLD]:
            yield Text(
                text=f"{told(output, one)} {word('strength', one['strength']).capitalize()}."
            )
        if len(others) > TOLD:
            rest = plural(len(others) - TOLD, "more is", "more are")
            yield Text(text=f"{rest} listed in section 12.", style="small")


def _versions(evidence: Evidence) -> Iterator[Block]:
    counts = version_counts(evidence["comparison"])
    if counts:
        said = ", ".join(f"{n:,} {word('verdict', v).lower()}" for v, n in counts.items())
        yield Heading(text="Against the version before")
        yield Text(text=f"Comparisons of base and candidate, group by group (section 11): {said}.")


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def _untold(evidence: Evidence, counts: Mapping[str, int]) -> Iterator[Block]:
    yield Heading(text="What could not be told")
    if counts["inconclusive"]:
        yield Text(
            text=f"{plural(counts['inconclusive'], 'comparison')} "
            f"{'is' if counts['inconclusive'] == 1 else 'are'} inconclusive: the data show neither "
            "a disparity nor equivalence. Section 7 says how many more patients it would take."
        )
    groups = {
        group_label(c["group"])
        for _, c in comparisons(evidence["outputs"])
        if c["verdict"] == "not_evaluable"
    }
    if groups:
        yield Text(
            text="Too few cases in at least one measure (not evaluable): "
            + "; ".join(sorted(groups))
            + "."
        )
    absent = [
        r["id"].removeprefix("group.")
        for r in evidence["requirements"]
        if r["id"].startswith("group.") and r["state"] == "not_available"
    ]
    if absent:
        names = ", ".join(humanised(name).lower() for name in absent)
        yield Missing(text=f"The policy asks for groups that the data do not hold: {names}.")
    if not (counts["inconclusive"] or groups or absent):
        yield Text(text="Every declared comparison could be settled.")


def _margins(evidence: Evidence) -> Iterator[Block]:
    policy, declared = evidence["policy"], evidence["declaration"]
    rows = []
    for metric, margin in _margins_used(evidence).items():
        reason = policy.get("reasons", {}).get(f"margin.{metric}") or "not available: none given"
        rows.append(
            Row(
                cells=(
                    Cell(text=word("metric", metric)),
                    Cell(text=margin_text(margin, metric)),
                    Cell(text=reason),
                )
            )
        )
    yield Grid(
        caption=f"Margins of “{declared['by']}”, declared {day(declared['time'])} before anything "
        "was computed: the largest difference that does not matter, and why",
        columns=(
            Column(label="Measure", share=1.3),
            Column(label="Margin", share=1),
            Column(label="Reason", share=4.7),
        ),
        rows=tuple(rows),
    )


def _margins_used(evidence: Evidence) -> dict[str, float | None]:
    """Return the margin of each measure that was compared; without one, of those declared."""
    policy = evidence["policy"]
    declared = policy.get("audit", {}).get("verdict_metrics", ())
    held = {
        c["metric"]: c.get("margin")
        for o in evidence["outputs"]
        for c in o["comparisons"]
        if c.get("declared", True)
    }
    names = [m for m in declared if m in held] + [m for m in held if m not in declared]
    margins = policy.get("margin", {})
    return {m: margins.get(m, held.get(m)) for m in names or declared}


def _earlier(evidence: Evidence) -> Iterator[Block]:
    earlier = evidence["prior_runs"]
    if not earlier:
        yield Text(text="This store knows no earlier audit of these data or models.")
        return
    now = evidence["declaration"]["policy_sha256"]
    changed = sum(run.get("policy_sha256") != now for run in earlier)
    told = [f"{ordinal(len(earlier) + 1)} audit of these data or models in this store"]
    told += margins_moved(evidence)
    text = f"{'; '.join(told)}."
    if changed:
        text += (
            f" {changed:,} of the {plural(len(earlier), 'earlier one')} ran under another policy"
        )
        text += " (section 14)."
    yield Text(text=text)


def margins_moved(evidence: Evidence) -> list[str]:
    """Return each margin that differs from that of the latest earlier audit, as old → new."""
    known = [run["margins"] for run in evidence["prior_runs"] if run.get("margins")]
    before = known[-1] if known else {}
    now = evidence["policy"].get("margin", {})
    moved = [
        f"margin of {word('metric', metric).lower()} "
        f"{margin_text(before[metric], metric)} → {margin_text(now[metric], metric)}"
        for metric in evidence["policy"].get("audit", {}).get("verdict_metrics", ())
        if metric in before and metric in now and before[metric] != now[metric]
    ]
    tested = [run["shortcut_margin"] for run in evidence["prior_runs"] if "shortcut_margin" in run]
    shortcuts = (evidence["policy"].get("shortcuts") or {}).get("margin_logits")
    if tested and shortcuts is not None and tested[-1] != shortcuts:
        moved.append(f"margin of the shortcut audit {tested[-1]:g} → {shortcuts:g} logits")
    return moved
