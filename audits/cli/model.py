"""``auscult model``: does a model folder keep its promises, and how one is made."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import click

from audits.cli.options import device_option, seed_option
from audits.errors import AuditError

_CASES = 16
_MARKS = {"passed": "ok", "failed": "FAILED", "warning": "warning", "not_applicable": "-"}


@click.group()
def model() -> None:
    """Check model folders, or make one from a checkpoint."""


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


@model.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--architecture", required=True, metavar="NAME", help="Such as monai.DenseNet121.")
@click.option("--args", "arguments", metavar="JSON", default="{}", help="Its arguments.")
@click.option(
    "--declared",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML with the manifest's [model], [inputs.NAME], [card] as far as they are known.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR")
def convert(
    file: Path, architecture: str, arguments: str, declared: Path | None, out: Path
) -> None:
    """Make a safetensors model folder from a checkpoint, which an isolated process opens.

    \b
    Example:
      auscult model convert checkpoint.pt --architecture monai.DenseNet121 \\
        --args '{"spatial_dims": 2, "in_channels": 1, "out_channels": 2}' --out models/1.0
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from model_adapters import convert_checkpoint

    made = convert_checkpoint(
        file,
        out,
        architecture=architecture,
        args=_arguments(arguments),
        declared=None if declared is None else _sections(declared),
    )
    click.echo(f"Wrote {made.folder}: {made.tensors} tensors, sha256 {made.weights_sha256}.")
    for sentence in made.assumed:
        click.echo(f"assumed: {sentence}")


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise AuditError(
            f"--args: is not valid JSON ({error}); quote it for your shell."
        ) from error
    if not isinstance(value, dict):
        raise AuditError(f"--args: expected a JSON object, found {text!r}; name each argument.")
    return value


def _sections(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AuditError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: is not valid TOML ({error}); correct that line.") from error
