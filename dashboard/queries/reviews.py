"""Own estimates, agreements and disagreements: kept in the store, read anew each time."""

from __future__ import annotations

from datetime import UTC, datetime

from audits.storage import CaseReview, Reviews, reviews_bytes
from audits.storage.reviews import ReviewKind
from dashboard.identity import Person
from dashboard.queries.cases import CaseFacts
from dashboard.queries.runs import RunRef, load_run
from dashboard.settings import read_settings


def of_case(ref: RunRef, output: str, case: str) -> list[CaseReview]:
    """Return what was said about one case of a run, oldest first."""
    return Reviews(read_settings().store).of_case(load_run(ref).id, output, case)


def own_estimate(ref: RunRef, output: str, case: str, person: Person) -> CaseReview | None:
    """Return the person's last own estimate of a case, or None."""
    given = [
        review
        for review in of_case(ref, output, case)
        if review.kind == "estimate" and review.reviewer == person.name
    ]
    return given[-1] if given else None


def keep(  # noqa: PLR0913 - one line of the table
    ref: RunRef,
    facts: CaseFacts,
    person: Person,
    kind: ReviewKind,
    *,
    model: str | None,
    output: str,
    threshold: float | None,
    estimate: float | None = None,
    reason: str = "",
) -> None:
    """Keep what a person says about a prediction.

    Raises:
        StoreError: It says nothing, or the store cannot be written.
    """
    run = load_run(ref)
    Reviews(read_settings().store).add(
        CaseReview(
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reviewer=person.name,
            role=person.role,
            run=run.id,
            study_sha256=str(run.evidence["study"]["sha256"]),
            model=model or "",
            output=output,
            case=facts.case,
            kind=kind,
            own_estimate=estimate,
            predicted=facts.risk,
            threshold=threshold,
            reason=reason.strip(),
        )
    )


def export(ref: RunRef, form: str) -> bytes:
    """Return every review of a run as ``csv`` or ``json``."""
    return reviews_bytes(Reviews(read_settings().store).listed(load_run(ref).id), form)


def count(ref: RunRef) -> int:
    """Return how many reviews of a run there are."""
    return len(Reviews(read_settings().store).listed(load_run(ref).id))
