"""``auscult model``: does a model folder keep its promises?"""

from __future__ import annotations

import click

from audits.cli.options import device_option, seed_option

_CASES = 16
_MARKS = {"passed": "ok", "failed": "FAILED", "warning": "warning", "not_applicable": "-"}


@click.group()
def model() -> None:
    """Check model folders."""


@model.command()
@click.argument("folder", metavar="DIR")
@click.option("--study", metavar="DIR", help="Check on cases of a study; default made-up inputs.")
@device_option
@seed_option
def check(folder: str, study: str | None, device: str, seed: int) -> int:
    """Check that a model keeps the promises every audit rests on: exit 0 kept, 1 broken.

    \b
    Example:
      auscult model check sample_data/icu_deterioration/models/xgboost-1.0
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from model_adapters import check_adapter, check_model_folder, load_adapter

    if study is None:
        results = check_model_folder(folder, device=device, seed=seed)
    else:
        from audits.cohorts import open_study

        adapter, opened = load_adapter(folder, device=device), open_study(study)
        here = opened.available(adapter.inputs)
        cases = [case for case, usable in zip(opened.case_ids, here, strict=True) if usable]
        raw, _, _ = opened.raw_batch(adapter.inputs, cases[:_CASES])
        results = check_adapter(adapter, raw)
    for result in results:
        click.echo(f"{_MARKS[result.status]:>7}  {result.name}: {result.detail}")
    broken = sum(not result.passed for result in results)
    click.echo(f"{folder}: {broken} of {len(results)} promises broken.")
    return 1 if broken else 0
