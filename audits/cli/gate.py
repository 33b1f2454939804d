"""``auscult gate``: may this run's model be released, by the rules of a policy?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audits.cli.options import store_option

if TYPE_CHECKING:
    from audits.policy import Policy
    from audits.storage import GateRecord, Run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--policy", required=True, type=click.Path(), metavar="FILE")
@click.option(
    "--base-run", type=click.Path(), metavar="RUN", help="Run of the version in use, to compare."
)
@click.option("--base-model", metavar="ID@VERSION", help="Which model of that run.")
@click.option("--candidate-model", metavar="ID@VERSION", help="Which model of the judged run.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="JUnit XML.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="For a review.")
@store_option
def gate(  # noqa: PLR0913, PLR0917 - the command's options
    run: Path,
    policy: str,
    base_run: str | None,
    base_model: str | None,
    candidate_model: str | None,
    junit: Path | None,
    markdown: Path | None,
    store: str | None,
) -> None:
    """Judge a run by every [[gate.rule]] of a policy, one line a rule.

    Exit 1 if a rule is violated; else 3 if one is inconclusive and says "fail"; else 0. Every use
    of a test set is remembered: the more often it gates, the less it says.

    \b
    Examples:
      auscult gate runs/change --policy policy.toml --junit gate.xml --markdown gate.md
      auscult gate runs/next --base-run runs/current --policy policy.toml
    """  # noqa: D301 - \b keeps click from rewrapping the examples
    from audits.policy import load_policy
    from audits.policy.gate import run_gate
    from audits.policy.gate_data import refuse_tuned_on_test
    from audits.policy.gate_reports import junit_xml, markdown_summary
    from audits.storage import Store, open_run

    if base_run is None and (base_model or candidate_model):
        raise click.UsageError("--base-model and --candidate-model belong to --base-run")
    for file in (junit, markdown):
        _refuse_unwritable(file)
    opened = open_run(run)
    declared = load_policy(policy)
    evidence: Mapping[str, Any] = opened.evidence
    left_out = _left_out(evidence["findings"])
    if base_run is not None:
        evidence, left_out = _beside(opened, base_run, policy, (base_model, candidate_model))
    refuse_tuned_on_test(evidence)
    result = run_gate(evidence, declared)
    registry, study = Store(store), str(evidence["study"]["sha256"])
    before = registry.gates(study)
    record = _record(opened, study, declared, result.exit_code)
    registry.record_gate(record)
    notes = [*left_out, *_policies(evidence, declared), _earlier(before), _prior(evidence)]
    for line in (*(one.line() for one in result.results), *notes):
        click.echo(line)
    if junit is not None:
        text = junit_xml(result, run=opened.id, time=record.time, notes=notes)
        junit.write_text(text, encoding="utf-8")
    if markdown is not None:
        summary = markdown_summary(result, run=opened.id, notes=notes)
        markdown.write_text(summary, encoding="utf-8")
    sys.exit(result.exit_code)


def _refuse_unwritable(file: Path | None) -> None:
    """Refuse before anything is judged: a gate that was asked counts."""
    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise click.UsageError(f"{file}: cannot be written; name a file in an existing folder")


def _beside(
    opened: Run,
    base_run: str,
    policy: str,
    models: tuple[str | None, str | None],
) -> tuple[Mapping[str, Any], list[str]]:
    """Return the run's evidence with its version compared with another run's, at its release.

    Beside it stands what the comparison left out, in sentences.
    """
    from audits.policy import load_policy
    from audits.reporting import restrict
    from audits.running.run_pair import compare_runs
    from audits.storage import open_run

    if opened.evidence["comparison"]:
        raise click.UsageError("the run holds a comparison already; leave --base-run out")
    audited = opened.exact["policy"]["audit"]
    full = load_policy(policy, groups=audited["groups"], intersections=audited["intersections"])
    compared = compare_runs(
        open_run(base_run), opened, full, base_model=models[0], candidate_model=models[1]
    )
    exact = {
        **opened.exact,
        "comparison": compared.to_dict(),
        "findings": [finding.to_dict() for finding in compared.findings],
    }
    if models[1] is not None:
        exact["outputs"] = [one for one in exact["outputs"] if one["model"] == models[1]]
    if opened.evidence["release"] != "restricted":
        return exact, _left_out(exact["findings"])
    masked = restrict(exact, cell=int(opened.exact["policy"]["suppression"]["cell"]))
    return masked, _left_out(masked["findings"])


def _left_out(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was not compared, and what differs beside the model, as far as it may be said."""
    told = (one for one in findings if one["where"] == "comparison" and not one.get("suppressed"))
    return [f"Note: {one['message']}" for one in told]


def _record(opened: Run, study: str, declared: Policy, exit_code: int) -> GateRecord:
    from audits.storage import GateRecord

    return GateRecord(
        study_sha256=study,
        policy_sha256=declared.sha256,
        run=opened.id,
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        exit_code=exit_code,
    )


def _policies(evidence: Mapping[str, Any], declared: Policy) -> list[str]:
    """Say where the rules are not of the policy that the run was made under."""
    made_under = str(evidence["declaration"]["policy_sha256"])
    if made_under == declared.sha256:
        return []
    theirs = f"{evidence['declaration']['by']}, {made_under[:12]}…"
    ours = f"{declared.by}, {declared.sha256[:12]}…"
    return [f"The run was made under another policy ({theirs}) than the gate's ({ours})."]


def _earlier(before: list[GateRecord]) -> str:
    """Say how often this test set has been used to gate, which wears it out."""
    if not before:
        return "This test set has not been gated before in this store."
    times = "once" if len(before) == 1 else f"{len(before)} times"
    return f"This test set has been gated {times} before, last on {before[-1].time}."


def _prior(evidence: Mapping[str, Any]) -> str:
    count = len(evidence["prior_runs"])
    return f"Earlier runs of this study or these models known here: {count}."
