"""``auscult verify``: is a run or a report still what was written?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def verify(path: Path) -> int:
    """Check a run folder or an exported PDF: exit 0 intact, 1 altered, naming what.

    \b
    Example:
      auscult verify runs/chest_xray
      auscult verify chest_xray.pdf
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.storage import verify_run

    if path.is_file():
        from audits.reporting.pdf import verify_pdf

        result = verify_pdf(path)
    else:
        result = verify_run(path)
    for word, names in (
        ("altered", result.altered),
        ("missing", result.missing),
        ("added", result.added),
    ):
        for name in names:
            click.echo(f"{word}: {name}")
    if result.intact:
        click.echo(f"{path}: intact, {result.files} {'file' if result.files == 1 else 'files'}.")
    return 0 if result.intact else 1
