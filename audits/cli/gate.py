"""``auscult gate``: may this run's model be released, by the rules of a policy?"""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--policy", required=True, type=click.Path(), metavar="FILE")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="JUnit XML.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="For a review.")
def gate(run: Path, policy: str, junit: Path | None, markdown: Path | None) -> None:
    """Judge a run by every [[gate.rule]] of a policy, one line a rule.

    Exit 1 if a rule is violated; else 3 if one is inconclusive and says "fail"; else 0.

    \b
    Example:
      auscult gate runs/change --policy policy.toml --junit gate.xml --markdown gate.md
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.policy import load_policy
    from audits.policy.gate import run_gate
    from audits.policy.gate_reports import junit_xml, markdown_summary
    from audits.storage import open_run

    opened = open_run(run)
    result = run_gate(opened.evidence, load_policy(policy))
    for one in result.results:
        click.echo(one.line())
    earlier = len(opened.evidence["prior_runs"])
    click.echo(f"Earlier runs of this study or these models known here: {earlier}.")
    if junit is not None:
        junit.write_text(junit_xml(result, run=opened.id), encoding="utf-8")
    if markdown is not None:
        markdown.write_text(markdown_summary(result, run=opened.id), encoding="utf-8")
    sys.exit(result.exit_code)
