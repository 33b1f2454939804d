"""The records that a person may add, each checked before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from audits.errors import AuditError
from audits.policy.schema import VERDICT_METRICS
from audits.reporting.document.findings import disparities
from audits.reporting.requirements.cards import card_fields
from audits.reporting.signoff.state import DECISIONS, ROLES
from audits.storage.reviews import CaseReview

Evidence = Mapping[str, Any]
Record = dict[str, Any]
KEEP = ("keep", "remove", "review")
"""What may be decided on an input that measures a protected basis."""


def _record(kind: str, by: str, **said: Any) -> Record:
    if not by.strip():
        raise AuditError("sign-off: nobody is named; say who signs with --by.")
    time = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return {"kind": kind, "by": by.strip(), "time": time, **said}


def declaration(
    field: str, *, by: str, text: str | None = None, not_available: str | None = None
) -> Record:
    """Return the record that fills a field of the report, or says why it stays empty.

    Args:
        field: A field of a model card (``card_fields.toml``).
        by: Who declares it.
        text: What is declared.
        not_available: Instead of a text, the reason why there is none.

    Raises:
        AuditError: The field is not known, or not exactly one of text and reason is given.
    """
    if field not in card_fields():
        raise AuditError(
            f"sign-off: there is no field {field!r}; `auscult signoff status RUN` lists them."
        )
    said = {"text": (text or "").strip() or None, "reason": (not_available or "").strip() or None}
    if (said["text"] is None) == (said["reason"] is None):
        raise AuditError(
            f"sign-off: {field} needs either a text or a reason why there is none; give exactly "
            "one of --text and --not-available."
        )
    return _record("declared", by, field=field, **said)


def exploratory_limit(metric: str, limit: float, *, by: str, reason: str) -> Record:
    """Return a limit that is declared after the run: it is printed as exploratory, no more.

    Raises:
        AuditError: The metric has no margin, or no reason is given.
    """
    if metric not in VERDICT_METRICS:
        raise AuditError(
            f"sign-off: {metric!r} is no metric with a margin; "
            f"use one of {', '.join(VERDICT_METRICS)}."
        )
    if not reason.strip() or not limit > 0:
        raise AuditError("sign-off: a limit needs a number above 0 and a --reason.")
    return _record("limit", by, metric=metric, limit=limit, reason=reason.strip())


def disparity_action(
    evidence: Evidence, number: int, *, by: str, owner: str, due: str, action: str
) -> Record:
    """Return who does what by when about a disparity.

    Args:
        evidence: The run's evidence.
        number: The disparity's place in the register of section 12, from 1.
        by: Who enters it.
        owner: Who acts.
        due: ISO date.
        action: What is done to mitigate.

    Raises:
        AuditError: There is no such disparity, or the date is none.
    """
    found = disparities(evidence["outputs"])
    if not 1 <= number <= len(found):
        raise AuditError(
            f"sign-off: the register holds {len(found)} disparities, there is no number {number}; "
            "`auscult signoff status RUN` lists them."
        )
    try:
        date.fromisoformat(due)
    except ValueError as error:
        raise AuditError(f"sign-off: due {due!r} is no date; write YYYY-MM-DD.") from error
    if not (owner.strip() and action.strip()):
        raise AuditError("sign-off: an action needs an --owner and says what is done (--action).")
    output, one = found[number - 1]
    about = subject_of(output, one)
    said = {"owner": owner.strip(), "due": due, "action": action.strip()}
    return _record("action", by, about=about, **said)


def subject_of(output: Mapping[str, Any], comparison: Mapping[str, Any]) -> Record:
    """Return what names a comparison in every release of a run."""
    return {
        "model": output.get("model"),
        "output": output["name"],
        "metric": comparison["metric"],
        "group": dict(comparison["group"]),
        "reference": comparison["reference"],
    }


def input_decision(evidence: Evidence, name: str, *, by: str, decision: str, reason: str) -> Record:
    """Return the decision on an input that measures a protected basis, with its justification.

    Raises:
        AuditError: No model has such an input, or decision or reason is missing.
    """
    known = [
        f["name"] for m in evidence["models"] for i in m.get("inputs", ()) for f in _features(i)
    ]
    if name not in known:
        raise AuditError(
            f"sign-off: no model has an input {name!r}; it is one of "
            f"{', '.join(dict.fromkeys(known)) or 'none: no model was handed over'}."
        )
    if decision not in KEEP or not reason.strip():
        raise AuditError(
            f"sign-off: the decision on {name} is one of {', '.join(KEEP)} and needs a --reason."
        )
    return _record("input", by, input=name, decision=decision, reason=reason.strip())


def _features(field: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the variables of an input; an image or a signal is its own one."""
    return field.get("features") or [field]


def reviews_summary(evidence: Evidence, reviews: Sequence[CaseReview], *, by: str) -> Record:
    """Return how often people agreed with single predictions of a run, without naming any case.

    The latest word of each person on each case counts. Where the run's release is restricted,
    an output with a count of 1 to the largest suppressed one has all its counts masked.

    Args:
        evidence: The run's evidence.
        reviews: Of this run, oldest first.
        by: Who enters it.

    Raises:
        AuditError: Nobody has agreed or disagreed with a prediction of this run.
    """
    run = evidence["run"]["id"]
    latest = {
        (r.model, r.output, r.case, r.reviewer): r
        for r in reviews
        if r.run == run and r.kind != "estimate"
    }
    if not latest:
        raise AuditError(
            f"sign-off: nobody has agreed or disagreed with a prediction of run {run}; "
            "`auscult reviews` lists what people said."
        )
    hidden = evidence["release"] == "restricted"
    cell = int(evidence["policy"].get("suppression", {}).get("cell", 10)) if hidden else 0
    names = sorted({(r.model, r.output) for r in latest.values()})
    outputs = [
        _reviewed([r for r in latest.values() if (r.model, r.output) == name], cell)
        for name in names
    ]
    return _record("reviews", by, outputs=outputs)


def _reviewed(said: Sequence[CaseReview], cell: int) -> Record:
    agreed = sum(r.kind == "agree" for r in said)
    counts: dict[str, int | None] = {
        "n": len(said),
        "agreed": agreed,
        "disagreed": len(said) - agreed,
        "people": len({r.reviewer for r in said}),
    }
    masked = any(1 <= (counts[k] or 0) <= cell for k in ("n", "agreed", "disagreed"))
    if masked:
        counts = dict.fromkeys(counts)
    named = {"model": said[0].model, "output": said[0].output}
    return {**named, **counts, "suppressed": masked}


def attestation(role: str, *, by: str, decision: str, note: str = "") -> Record:
    """Return a signature.

    Args:
        role: One of :data:`~audits.reporting.signoff.state.ROLES`.
        by: Who signs.
        decision: ``approve``, ``conditions`` or ``reject``.
        note: The conditions, or why; needed unless approved.

    Raises:
        AuditError: Role or decision is not known, or the note is missing.
    """
    if role not in ROLES or decision not in DECISIONS:
        raise AuditError(
            f"sign-off: sign as one of {', '.join(ROLES)} with one of {', '.join(DECISIONS)}, "
            f"not as {role!r} with {decision!r}."
        )
    if decision != "approve" and not note.strip():
        raise AuditError(f"sign-off: the decision {decision!r} needs a --note that says why.")
    return _record("attested", by, role=role, decision=decision, note=note.strip())


def supersession(*, by: str, reason: str) -> Record:
    """Return the record that opens a new edition after a finalised one; the old one stays.

    Raises:
        AuditError: No reason is given.
    """
    if not reason.strip():
        raise AuditError("sign-off: a new edition needs a --reason.")
    return _record("superseded", by, reason=reason.strip())


def finalisation(*, by: str, evidence_sha256: str) -> Record:
    """Return the record that closes an edition."""
    return _record("finalised", by, evidence_sha256=evidence_sha256)
