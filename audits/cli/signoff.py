"""``auscult signoff``: what people declare, decide and sign of a finished run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from audits.errors import AuditError

run_argument = click.argument("run", type=click.Path(path_type=Path))
by_option = click.option("--by", required=True, help="Who says so: name and position.")
profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    help="Law or guideline that the report answers, such as hti1; repeat for more.",
)


@click.group()
def signoff() -> None:
    """Fill in, decide, sign and finalise the report of a run."""


@signoff.command()
@run_argument
@profile_option
def status(run: Path, profiles: tuple[str, ...]) -> None:
    """Say where the sign-off stands: blank fields, missing signatures, open actions.

    \b
    Example:
      auscult signoff status runs/chest_xray --profile section1557
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import filing_of, obstacles
    from audits.storage import open_run

    opened = open_run(run)
    filing = filing_of(opened, profiles)
    held = filing.signoff
    stands = obstacles(opened, filing)
    click.echo(f"edition {held.edition}: {_stage(held)}")
    for name in stands.blank:
        click.echo(f"blank: {name}")
    for role in stands.unsigned:
        why = ", signed before a later change" if role in held.stale else ""
        click.echo(f"unsigned: {role}{why}")
    for part in stands.suppression:
        click.echo(f"not masked: {part}")
    for line in _register(opened.evidence, held):
        click.echo(line)


def _stage(held: Any) -> str:
    if held.final:
        return f"final since {held.final['time']}, by {held.final['by']}"
    return f"draft, {len(held.records)} records"


def _register(evidence: Any, held: Any) -> Iterator[str]:
    from audits.reporting.document.findings import disparities, told
    from audits.reporting.signoff.entries import subject_of

    for number, (output, one) in enumerate(disparities(evidence["outputs"]), start=1):
        action = held.action_on(subject_of(output, one))
        who = f"{action['owner']} until {action['due']}" if action else "no owner, no due date"
        yield f"disparity {number}: {who}. {told(output, one)}"


@signoff.command()
@run_argument
@click.option("--field", "fields", multiple=True, help="Field to fill; repeat for more.")
@click.option("--text", help="What is declared.")
@click.option("--not-available", help="Instead of a text: why there is none.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help='TOML file of fields: name = "text" or name = { not_available = "why" }.',
)
@by_option
def declare(
    run: Path,
    fields: tuple[str, ...],
    text: str | None,
    not_available: str | None,
    source: Path | None,
    by: str,
) -> None:
    """Fill fields of the report, or say why they stay empty.

    \b
    Example:
      auscult signoff declare runs/chest_xray --field funding --text "None." --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import declaration

    records = [declaration(f, by=by, text=text, not_available=not_available) for f in fields]
    if source is not None:
        records += [declaration(name, by=by, **said) for name, said in _written(source)]
    if not records:
        raise AuditError("signoff declare: nothing is declared; name a --field or a file --from.")
    _add(run, records)


def _written(source: Path) -> Iterator[tuple[str, dict[str, str | None]]]:
    try:
        held = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AuditError(f"{source}: cannot be read as TOML ({error}); check the file.") from error
    for name, value in held.items():
        if isinstance(value, dict):
            yield name, {"not_available": str(value.get("not_available") or "")}
        else:
            yield name, {"text": str(value)}


@signoff.command()
@run_argument
@click.option("--metric", required=True, help="Metric with a margin, such as tpr.")
@click.option("--limit", required=True, type=float, help="The limit, as a margin is written.")
@click.option("--reason", required=True, help="Why this limit.")
@by_option
def limit(run: Path, metric: str, limit: float, reason: str, by: str) -> None:
    """Declare a limit after the run: it is printed as exploratory and moves no verdict.

    \b
    Example:
      auscult signoff limit runs/chest_xray --metric tpr --limit 0.08 --reason "…" --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import exploratory_limit

    _add(run, [exploratory_limit(metric, limit, by=by, reason=reason)])


@signoff.command()
@run_argument
@click.option("--disparity", required=True, type=int, help="Its number in `signoff status`.")
@click.option("--owner", required=True, help="Who acts.")
@click.option("--due", required=True, help="Until when: YYYY-MM-DD.")
@click.option("--action", "what", required=True, help="What is done to mitigate.")
@by_option
def action(run: Path, disparity: int, owner: str, due: str, what: str, by: str) -> None:
    """Enter who does what about a disparity, and until when.

    \b
    Example:
      auscult signoff action runs/chest_xray --disparity 1 --owner "B. Roy" --due 2027-01-31 \\
        --action "Second reader for women under 40." --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import disparity_action
    from audits.storage import open_run

    evidence = open_run(run).evidence
    _add(run, [disparity_action(evidence, disparity, by=by, owner=owner, due=due, action=what)])


@signoff.command("input")
@run_argument
@click.option("--input", "name", required=True, help="Input of a model.")
@click.option("--decision", required=True, help="keep, remove or review.")
@click.option("--reason", required=True, help="The justification.")
@by_option
def input_(run: Path, name: str, decision: str, reason: str, by: str) -> None:
    """Decide on an input that measures, or may stand in for, a protected basis.

    \b
    Example:
      auscult signoff input runs/icu --input sex --decision keep --reason "…" --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import input_decision
    from audits.storage import open_run

    evidence = open_run(run).evidence
    _add(run, [input_decision(evidence, name, by=by, decision=decision, reason=reason)])


@signoff.command()
@run_argument
@click.option("--store", metavar="DIR", help="Store of the reviews.  [default: AUSCULT_HOME]")
@by_option
def reviews(run: Path, store: str | None, by: str) -> None:
    """Enter how often people agreed with single predictions, without naming a case.

    \b
    Example:
      auscult signoff reviews runs/chest_xray --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import reviews_summary
    from audits.storage import Reviews, open_run

    evidence = open_run(run).evidence
    said = Reviews(store).listed(evidence["run"]["id"])
    _add(run, [reviews_summary(evidence, said, by=by)])


@signoff.command()
@run_argument
@click.option("--role", required=True, help="prepared, clinical, compliance or owner.")
@click.option("--decision", required=True, help="approve, conditions or reject.")
@click.option("--note", default="", help="The conditions, or why it is rejected.")
@by_option
def attest(run: Path, role: str, decision: str, note: str, by: str) -> None:
    """Sign the report as it stands; a later change undoes the signature.

    \b
    Example:
      auscult signoff attest runs/chest_xray --role clinical --decision approve --by "Dr C. Diaz"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import attestation

    _add(run, [attestation(role, by=by, decision=decision, note=note)])


@signoff.command()
@run_argument
@profile_option
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The site's private Ed25519 key, to sign with.",
)
@by_option
def finalise(run: Path, profiles: tuple[str, ...], key: Path | None, by: str) -> None:
    """Close the edition and file its PDF in the run; refused while anything is missing.

    \b
    Example:
      auscult signoff finalise runs/chest_xray --key site.key --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import finalise as close
    from audits.storage import open_run

    held, filed = close(open_run(run), by=by, profiles=profiles, key=key)
    click.echo(f"Edition {held.edition} is final: {filed}")


@signoff.command()
@run_argument
@click.option("--reason", required=True, help="Why the final edition is superseded.")
@by_option
def supersede(run: Path, reason: str, by: str) -> None:
    """Open a new edition after a final one; the final one stays as it is.

    \b
    Example:
      auscult signoff supersede runs/chest_xray --reason "New contact." --by "A. Ng"
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import supersession

    _add(run, [supersession(by=by, reason=reason)])


@signoff.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File of the key.")
def keygen(out: Path) -> None:
    """Make an Ed25519 key that the site owns; guard it, share only the .pub file.

    \b
    Example:
      auscult signoff keygen --out site.key
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting.signoff import make_key

    public = make_key(out)
    click.echo(f"Wrote {out} (keep it secret) and {public}.")


def _add(run: Path, records: list[dict[str, Any]]) -> None:
    from audits.reporting.signoff import add_records
    from audits.storage import open_run

    held = add_records(open_run(run), records)
    click.echo(f"Recorded in edition {held.edition}.")
