"""``auscult reviews``: what people said about single predictions, as a table."""

from __future__ import annotations

from pathlib import Path

import click

from audits.cli.options import store_option


@click.command()
@click.option("--run", metavar="ID", help="Only reviews of this run.  [default: every run]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="Table or canonical JSON.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File.  [default: print it]")
@store_option
def reviews(run: str | None, form: str, out: Path | None, store: str | None) -> None:
    """Export the agreements, disagreements and own estimates kept in the store.

    \b
    Example:
      auscult reviews --run 20261121T131711Z-d8008ea6 --out reviews.csv
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.errors import StoreError
    from audits.storage import Reviews, reviews_bytes

    data = reviews_bytes(Reviews(store).listed(run), form)
    if out is None:
        click.echo(data.decode("utf-8"), nl=False)
        return
    try:
        out.write_bytes(data)
    except OSError as error:
        raise StoreError(
            f"{out}: the reviews cannot be written here ({error.strerror}); choose another --out."
        ) from error
    click.echo(f"Wrote {out}")
