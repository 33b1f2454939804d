"""``auscult gate``: may this run's model be released, by the rules of a policy?"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audits.cli.options import store_option

if TYPE_CHECKING:
    from audits.storage import GateRecord


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--policy", required=True, type=click.Path(), metavar="FILE")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="JUnit XML.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="For a review.")
@store_option
def gate(
    run: Path, policy: str, junit: Path | None, markdown: Path | None, store: str | None
) -> None:
    """Judge a run by every [[gate.rule]] of a policy, one line a rule.

    Exit 1 if a rule is violated; else 3 if one is inconclusive and says "fail"; else 0. Every use
    of a test set is remembered: the more often it gates, the less it says.

    \b
    Example:
      auscult gate runs/change --policy policy.toml --junit gate.xml --markdown gate.md
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.policy import load_policy
    from audits.policy.gate import run_gate
    from audits.policy.gate_data import refuse_tuned_on_test
    from audits.policy.gate_reports import junit_xml, markdown_summary
    from audits.storage import GateRecord, Store, open_run

    opened = open_run(run)
    evidence, declared = opened.evidence, load_policy(policy)
    refuse_tuned_on_test(evidence)
    result = run_gate(evidence, declared)
    registry, study = Store(store), str(evidence["study"]["sha256"])
    before = registry.gates(study)
    record = GateRecord(
        study_sha256=study,
        policy_sha256=declared.sha256,
        run=opened.id,
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        exit_code=result.exit_code,
    )
    registry.record_gate(record)
    for one in result.results:
        click.echo(one.line())
    click.echo(_earlier(before))
    click.echo(
        f"Earlier runs of this study or these models known here: {len(evidence['prior_runs'])}."
    )
    if junit is not None:
        junit.write_text(junit_xml(result, run=opened.id), encoding="utf-8")
    if markdown is not None:
        markdown.write_text(markdown_summary(result, run=opened.id), encoding="utf-8")
    sys.exit(result.exit_code)


def _earlier(before: list[GateRecord]) -> str:
    """Say how often this test set has been used to gate, which wears it out."""
    if not before:
        return "This test set has not been gated before in this store."
    times = "once" if len(before) == 1 else f"{len(before)} times"
    return f"This test set has been gated {times} before, last on {before[-1].time}."
