"""The group ``auscult`` with its commands; importing it loads nothing heavy."""

from __future__ import annotations

import click

from audits.cli.audit import audit
from audits.cli.compare import compare
from audits.cli.dashboard import dashboard
from audits.cli.explain import explain
from audits.cli.gate import gate
from audits.cli.model import model
from audits.cli.report import report
from audits.cli.reviews import reviews
from audits.cli.runs import runs
from audits.cli.signoff import signoff
from audits.cli.verify import verify
from audits.cli.what_if import what_if


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="auscult", message="auscult %(version)s")
def auscult() -> None:
    """See inside clinical models: explanations, subgroup audits and evidence in one run.

    \b
    Example:
      auscult audit --study STUDY --model MODEL --out runs/first
      auscult dashboard
    """  # noqa: D301 - \b keeps click from rewrapping the example


for _command in (
    *(audit, explain, what_if, compare, gate, report, signoff),
    *(verify, model, dashboard, runs, reviews),
):
    auscult.add_command(_command)
