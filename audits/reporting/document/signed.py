"""What people declared, decided and signed, as blocks of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.document.blocks import (
    Block,
    Cell,
    Column,
    Fact,
    Facts,
    Grid,
    Heading,
    Missing,
    Row,
    Text,
)
from audits.reporting.document.findings import disadvantaged, disparities, output_label
from audits.reporting.document.tables import cells
from audits.reporting.signoff.state import DECISIONS, ROLES, SignOff
from audits.reporting.words import MISSING, day, group_label, margin_text, model_label, plural, word

Evidence = Mapping[str, Any]


def signoff_of(evidence: Evidence) -> SignOff:
    """Return the sign-off that :func:`audits.reporting.signoff.with_signoff` laid in."""
    held: SignOff = evidence["signoff"]
    return held


def state_text(signoff: SignOff) -> str:
    """Return whether a report is a draft or final, in one sentence."""
    edition = f"edition {signoff.edition}"
    if signoff.final:
        return (
            f"Final, {edition}, since {day(signoff.final['time'])}, by {signoff.final['by']}; "
            f"never edited, only superseded{_reservations(signoff)}"
        )
    signed = len(signoff.attestations)
    if not signed:
        return f"Draft, {edition}: nobody has signed it"
    return f"Draft, {edition}: {signed} of {len(ROLES)} signatures{_reservations(signoff)}"


def _reservations(signoff: SignOff) -> str:
    """Say who signed otherwise than with plain approval: a reader must not look for it."""
    told = [
        f"{ROLES[role].lower()}: {DECISIONS[one['decision']].lower()}"
        for role, one in signoff.attestations.items()
        if one["decision"] != "approve"
    ]
    return f"; {'; '.join(told)}" if told else ""


def actions_text(evidence: Evidence) -> Iterator[Block]:
    """Yield the open actions for the executive page: who acts on what, and until when."""
    found = disparities(evidence["outputs"])
    if not found:
        yield Text(text="No disparity asks for an action.")
        return
    signoff = signoff_of(evidence)
    owned = [action_of(signoff, output, one) for output, one in found]
    for action in {id(a): a for a in owned if a}.values():
        about = action["about"]
        yield Text(
            text=f"{action['owner']}, until {action['due']}: {action['action']} "
            f"({word('metric', about['metric'])}, {group_label(about['group'])})"
        )
    waiting = sum(action is None for action in owned)
    if waiting:
        waits = plural(waiting, "disparity waits", "disparities wait")
        yield Missing(
            text=f"{waits} for a decision (section 12); nobody has named an owner or a due date."
        )


def action_of(
    signoff: SignOff, output: Mapping[str, Any], comparison: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the action on a disparity, or None."""
    return signoff.action_on(
        {
            "model": output.get("model"),
            "output": output["name"],
            "metric": comparison["metric"],
            "group": dict(comparison["group"]),
            "reference": comparison["reference"],
        }
    )


def later_limits(evidence: Evidence) -> Iterator[Block]:
    """Yield limits that were declared after the run: exploratory, without a verdict."""
    limits = signoff_of(evidence).limits
    if limits:
        yield Grid(
            caption="Exploratory: limits declared after the run. They moved no verdict.",
            columns=(
                Column(label="Measure", share=1.3),
                Column(label="Limit", share=1),
                Column(label="Declared", share=1.8),
                Column(label="Reason", share=2.9),
            ),
            rows=tuple(
                cells(
                    word("metric", one["metric"]),
                    margin_text(one["limit"], one["metric"]),
                    f"{one['by']}, {day(one['time'])}",
                    str(one["reason"]),
                )
                for one in limits
            ),
        )


def register(evidence: Evidence) -> Iterator[Block]:
    """Yield section 12's register: each disparity with who acts on it."""
    found = disparities(evidence["outputs"])
    if not found:
        yield Text(text="No disparity was found that would have to be entered.")
        return
    signoff = signoff_of(evidence)
    yield Grid(
        caption="Register: each disparity, and who acts on it",
        columns=(
            Column(label="No.", share=0.4, align="right"),
            Column(label="Output", share=1.8),
            Column(label="Group", share=1.8),
            Column(label="Measure", share=1.2),
            Column(label="Worse off", share=1.5),
            Column(label="Strength"),
            Column(label="Owner", share=1.1),
            Column(label="Due", share=1.1),
        ),
        rows=tuple(
            _entry(number, output, one, action_of(signoff, output, one))
            for number, (output, one) in enumerate(found, start=1)
        ),
    )


def _entry(
    number: int,
    output: Mapping[str, Any],
    one: Mapping[str, Any],
    action: Mapping[str, Any] | None,
) -> Row:
    return cells(
        str(number),
        output_label(output),
        group_label(one["group"]),
        word("metric", one["metric"]),
        disadvantaged(one),
        one.get("strength") or "–",
        *((action["owner"], action["due"]) if action else (MISSING, MISSING)),
    )


def mitigation_record(evidence: Evidence) -> Iterator[Block]:
    """Yield what was done about inputs and disparities: the record of 45 CFR 92.210(c)."""
    signoff = signoff_of(evidence)
    rows = [
        cells(
            f"Input “{name}”",
            f"{one['decision'].capitalize()}: {one['reason']}",
            str(one["by"]),
            day(one["time"]),
        )
        for name, one in signoff.inputs.items()
    ]
    rows += [
        cells(
            f"{word('metric', a['about']['metric'])}, {group_label(a['about']['group'])}, "
            f"{_named(a['about'])}",
            str(a["action"]),
            f"{a['owner']}, until {a['due']}",
            day(a["time"]),
        )
        for a in signoff.actions
    ]
    yield Heading(text="Mitigation record, 45 CFR 92.210(c)")
    if not rows:
        yield Missing(
            text="Nobody has recorded what is done to mitigate; `auscult signoff` or the Reports "
            "page takes it."
        )
        return
    yield Grid(
        caption="What is done to mitigate, by whom",
        columns=(
            Column(label="About", share=2),
            Column(label="What is done", share=2.6),
            Column(label="Who", share=1.4),
            Column(label="Entered", share=1.1),
        ),
        rows=tuple(rows),
    )


def _named(about: Mapping[str, Any]) -> str:
    return " ".join([about["output"], *([model_label(about["model"])] if about["model"] else [])])


def signatures(evidence: Evidence) -> Iterator[Block]:
    """Yield section 17: who vouches for the report, and for which edition."""
    signoff = signoff_of(evidence)
    if not signoff.attestations:
        yield Missing(text="Nobody has signed this report. It is a draft until these are filled.")
    yield Text(text=f"{state_text(signoff)}.")
    yield Grid(
        caption="Signatures",
        columns=(
            Column(label="Role", share=1.3),
            Column(label="Name", share=1.6),
            Column(label="Date", share=1.2),
            Column(label="Decision", share=1.4),
            Column(label="Conditions or reasons", share=2),
        ),
        rows=tuple(_signature(signoff, role) for role in ROLES),
    )
    by = [str(one["by"]) for one in signoff.attestations.values()]
    several = sorted({name for name in by if by.count(name) > 1})
    if several:
        yield Text(
            text=f"Signed in more than one role, without a second person: {', '.join(several)}."
        )
    if signoff.stale:
        names = ", ".join(ROLES[role].lower() for role in signoff.stale)
        yield Text(text=f"Signed before a later change, so no longer valid: {names}.")
    for one in signoff.earlier:
        yield Text(
            text=f"Edition {one['edition']}, final since {day(one['finalised'])}, was superseded "
            f"on {day(one['time'])} by {one['by']}: {one['reason']} It stays in the run folder.",
            style="small",
        )
    if signoff.head:
        head = Fact(label="Sign-off record, sha256", value=signoff.head, code=True)
        yield Facts(facts=(head,))


def _signature(signoff: SignOff, role: str) -> Row:
    one = signoff.attestations.get(role)
    if one is None:
        empty = Cell(text="not signed", tone="muted")
        return Row(cells=(Cell(text=ROLES[role]), empty, empty, empty, Cell(text="–")))
    return cells(
        ROLES[role],
        str(one["by"]),
        day(one["time"]),
        DECISIONS[one["decision"]],
        str(one["note"]) or "–",
    )
