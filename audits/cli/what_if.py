"""``auscult what-if``: what the model's output would be if some variables had other values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audits.cli.options import device_option, seed_option
from audits.errors import StoreError

if TYPE_CHECKING:
    from audits.explanations.counterfactual import Search
    from audits.explanations.result import Score

WHAT_IF_FILE = "what_if.json"


@click.command("what-if")
@click.option("--study", required=True, metavar="DIR", help="Study folder.")
@click.option("--model", required=True, metavar="DIR", help="Model folder.")
@click.option("--case", required=True, metavar="ID", help="Case of the study.")
@click.option("--output", metavar="NAME", help="Output; default the highest score.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a variable, with or without its unit; an empty VALUE is not measured. Repeat it.",
)
@click.option("--search", is_flag=True, help="Look for small changes that would change the call.")
@click.option(
    "--target", type=float, metavar="P", help="Look for this score; default the threshold."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="S",
    help="How long to look.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help=f"For {WHAT_IF_FILE}.")
@device_option
@seed_option
def what_if(  # noqa: PLR0913 - the options of the command
    *,
    study: str,
    model: str,
    case: str,
    output: str | None,
    changes: tuple[str, ...],
    search: bool,
    target: float | None,
    seconds: float,
    out: Path | None,
    device: str,
    seed: int,
) -> None:
    """Say what the model's output would be with other values, or look for values that change it.

    \b
    Example:
      auscult what-if --study sample_data/icu_deterioration --case S24019 \\
        --model sample_data/icu_deterioration/models/mlp-1.0 --set lactate=4.0 --search
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.cohorts import open_study
    from audits.explanations.counterfactual import search_counterfactuals
    from audits.explanations.request import open_request
    from audits.explanations.what_if import what_if as ask
    from model_adapters import load_adapter

    if not changes and not search:
        raise click.UsageError("give --set NAME=VALUE, --search, or both")
    adapter = load_adapter(model, device=device)
    request = open_request(open_study(study), adapter, case, output=output, seed=seed)
    click.echo(f"{case} · {adapter.card.key} · {request.output}: {_told(request.score)}")
    result: dict[str, Any] = {"case": case, "model": adapter.card.key, "output": request.output}
    if changes:
        asked = ask(request, dict(map(_pair, changes)))
        result["what_if"] = asked.to_dict()
        for name, (before, after) in asked.changes.items():
            click.echo(f"  {name}: {_value(before)} -> {_value(after)}")
        click.echo(f"The model's output would be {_told(asked.after)}.")
    if search:
        found = search_counterfactuals(request, target=target, seconds=seconds)
        result["search"] = found.to_dict()
        _tell(found)
    if out is not None:
        _write(out, result)


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--set takes NAME=VALUE, found {text!r}")
    return name.strip(), value.strip() or None


def _tell(found: Search) -> None:
    for one in found.found:
        pairs = [f"{n} {_value(a)} -> {_value(b)}" for n, (a, b) in one.changes.items()]
        click.echo(f"With {', '.join(pairs)} the model's output would be {_told(one.after)}.")
    click.echo(found.message)


def _value(value: object) -> str:
    return (
        "not measured"
        if value is None
        else f"{value:g}"
        if isinstance(value, float)
        else f"{value}"
    )


def _told(score: Score) -> str:
    if score.probability is not None:
        return f"probability {score.probability:.3f}"
    return f"{score.value if score.value is not None else score.logit:.4g}"


def _write(out: Path, result: dict[str, Any]) -> None:
    text = json.dumps(result, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / WHAT_IF_FILE).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{out}: cannot be written ({error.strerror}); choose another --out."
        ) from error
    click.echo(f"Wrote {out / WHAT_IF_FILE}.")
