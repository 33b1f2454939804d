"""``auscult runs``: what this store knows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audits.cli.options import store_option

if TYPE_CHECKING:
    from audits.comparison.history import Version


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


@runs.command("history")
@click.option("--output", metavar="NAME", help="Output; default the first of the newest run.")
@click.option("--metric", default="auroc", show_default=True, metavar="METRIC")
@click.option("--group", "groups", multiple=True, metavar="NAME=LEVEL", help="Default everybody.")
@click.option("--model", metavar="ID", help="Model id without version; default all.")
@click.option("--study", metavar="NAME", help="Study or table; default all.")
@click.option("--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="As data.")
@store_option
def history(  # noqa: PLR0913, PLR0917 - the command's options
    output: str | None,
    metric: str,
    groups: Sequence[str],
    model: str | None,
    study: str | None,
    target: Path | None,
    store: str | None,
) -> None:
    """Show a metric of every version over time, and what else changed between runs.

    Versions judged on other data, another label or another scope are shown apart: their numbers
    are not comparable.

    \b
    Example:
      auscult runs history --metric tpr --group sex=F
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.comparison.history import outputs_known, version_history
    from audits.storage import list_runs, open_run

    known = [open_run(one.path).evidence for one in list_runs(store)]
    held = [one for one in known if study in (None, one["study"]["name"])]
    names = outputs_known(held)
    if not names:
        raise click.UsageError("the store holds no run that fits; see `auscult runs list`")
    name = output or names[0]
    if name not in names:
        raise click.UsageError(f"no run gives {name!r}; --output is one of {', '.join(names)}")
    found = version_history(
        held, output=name, metric=metric, attributes=_levels(groups), model=model
    )
    if all(one.estimate is None for one in found):
        raise click.UsageError(f"no run has {metric} of this group; check --metric and --group")
    click.echo(f"{metric} of {name}, {', '.join(groups) or 'everybody'}")
    _print_history(found)
    if target is not None:
        data = [one.to_dict() for one in found]
        target.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _levels(groups: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in groups:
        name, equals, level = text.partition("=")
        if not equals:
            raise click.UsageError(f"--group {text}: write NAME=LEVEL, for example sex=F")
        found[name] = level
    return found


def _print_history(found: Sequence[Version]) -> None:
    strand = 0
    for one in found:
        if one.changed and not one.comparable:
            click.echo(f"  ── not comparable with what stands above: {'; '.join(one.changed)}")
        elif one.changed:
            click.echo(f"  ·· changed beside the model: {'; '.join(one.changed)}")
        if one.strand != strand:
            strand = one.strand
            click.echo(f"  data {strand}")
        model = one.model or "a table of scores"
        click.echo(f"    {one.time}  {model:28} {_estimate(one.estimate)}  {one.run}")


def _estimate(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None or estimate.get("value") is None:
        return f"– ({(estimate or {}).get('reason') or 'not in this run'})"
    if estimate.get("low") is None:
        return f"{estimate['value']:.3f}"
    n = f"n {estimate['n']:,}" if estimate.get("n") is not None else "n masked"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}] {n}"
