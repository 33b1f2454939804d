"""``auscult runs``: what this store knows."""

from __future__ import annotations

import click

from audits.cli.options import store_option


@click.group()
def runs() -> None:
    """Look at the runs that this store knows."""


@runs.command("list")
@store_option
def list_(store: str | None) -> None:
    """List the runs whose folders are still there, newest first.

    \b
    Example:
      auscult runs list
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.storage import list_runs

    records = list_runs(store)
    if not records:
        click.echo("No runs yet; make one with `auscult audit`.")
    for record in records:
        models = ", ".join(key for key, _ in record.models) or "a table of scores"
        click.echo(f"{record.time}  {record.run}  {record.study_name}  {models}  {record.path}")
