"""``auscult report``: one export of a run, or of one of its cases."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    required=True,
    help="pdf, html, md, xlsx, xml (CHAI card), json (the evidence) or csv (a zip); "
    "with --case: pdf (one page), fhir (a bundle) or dicom (a folder).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="What to write.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    help="Law or guideline to answer, such as hti1; repeat for more. Default: all of the run.",
)
@click.option("--case", help="Id of a case: the export tells about it alone.")
@click.option("--model", help="With --case: id@version; default the first model of the run.")
@click.option("--output", help="With --case: output; default the one with the highest score.")
@click.option("--with-image", is_flag=True, help="With --case and pdf: show the image itself.")
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="Private Ed25519 key of the site: writes OUT.sig beside the file.",
)
def report(  # noqa: PLR0913, PLR0917 - one parameter per option
    run: Path,
    form: str,
    out: Path,
    profiles: tuple[str, ...],
    case: str | None,
    model: str | None,
    output: str | None,
    with_image: bool,  # noqa: FBT001 - a click flag
    key: Path | None,
) -> None:
    """Export a run, at the release that its policy declares, or one case of it.

    \b
    Example:
      auscult report runs/chest_xray --format csv --out chest_xray.zip
      auscult report runs/icu --format pdf --case S24131 --out page.pdf
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.reporting import CaseQuestion, export_case, export_run
    from audits.storage import open_run

    opened = open_run(run)
    if case is None:
        _refuse_case_options(model, output, with_image=with_image)
        written = export_run(opened, form, out, profiles=profiles, key=key)
    else:
        about = CaseQuestion(case=case, model=model, output=output, with_image=with_image)
        written = export_case(opened, form, out, about, key=key)
    click.echo(f"Wrote {written}.")


def _refuse_case_options(model: str | None, output: str | None, *, with_image: bool) -> None:
    from audits.errors import AuditError

    given = [n for n, v in (("--model", model), ("--output", output)) if v]
    given += ["--with-image"] if with_image else []
    if given:
        raise AuditError(f"report: {', '.join(given)} needs --case; name the case.")
