"""``auscult report``: one export of a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    required=True,
    help="pdf, html, md, xlsx, xml (CHAI card), json (the evidence) or csv (a zip).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
def report(run: Path, form: str, out: Path) -> None:
    """Export a run, at the release that its policy declares.

    \b
    Example:
      auscult report runs/chest_xray --format csv --out chest_xray.zip
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting import export_run
    from audits.storage import open_run

    written = export_run(open_run(run), form, out)
    click.echo(f"Wrote {written}.")
