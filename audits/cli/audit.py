"""``auscult audit``: a run from a study and its models, or from a table of scores."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audits.cli.options import (
    check_cases_option,
    device_option,
    option_name,
    refuse_options_of_scores,
    seed_option,
    store_option,
    typed,
)
from audits.cli.progress import progress_to
from audits.cli.task_options import SPACES, TASKS, check_task_options, measures_of

if TYPE_CHECKING:
    from audits.storage import Run
    from audits.types import Progress


def _both(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN"),
            click.option(
                "--policy", type=click.Path(), metavar="FILE", help="Declared beforehand."
            ),
            click.option(
                "--if-changed",
                is_flag=True,
                help="Keep RUN if it was made from the same things, else move it aside.",
            ),
            click.option(
                "--why/--no-why",
                default=None,
                help="Look for causes, slices and mitigation; by default up to 60,000 rows.",
            ),
            click.option("--progress-file", type=click.Path(path_type=Path), hidden=True),
            device_option,
            seed_option,
            store_option,
        )
    ):
        command = option(command)
    return command


def _from_study(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--study", type=click.Path(), metavar="DIR", help="Study folder."),
            click.option(
                "--model", "models", multiple=True, metavar="DIR", help="Repeat for more."
            ),
            click.option(
                "--explain-cases",
                type=click.IntRange(min=0),
                default=50,
                show_default=True,
                help="Cases explained for each model.",
            ),
            check_cases_option,
            click.option(
                "--ray",
                metavar="ADDRESS",
                help="Score the cohort with Ray: local, auto or ray://HOST:PORT (extra `ray`).",
            ),
        )
    ):
        command = option(command)
    return command


def _from_scores(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option(
                "--predictions", type=click.Path(), metavar="FILE", help="CSV or Parquet."
            ),
            click.option(
                "--label", "labels", multiple=True, metavar="COL", help="Pairs with --score."
            ),
            click.option(
                "--score", "scores", multiple=True, metavar="COL", help="Pairs with --label."
            ),
            click.option(
                "--threshold",
                "thresholds",
                multiple=True,
                type=float,
                help="One for all labels or one for each; positive means score >= threshold.",
            ),
            click.option("--threshold-chosen-on", metavar="SHA256", help="Where it was chosen."),
            click.option("--patient", metavar="COL", help="Which rows are the same patient."),
            click.option(
                "--group", "groups", multiple=True, metavar="COL[:b1,b2,…]", help="Repeat."
            ),
            click.option("--intersect", multiple=True, metavar="COL,COL", help="Repeat for more."),
            click.option(
                "--positive", "positives", multiple=True, metavar="VALUE", help="Default 1."
            ),
            click.option("--task", type=click.Choice(TASKS), default="binary", show_default=True),
            click.option(
                "--space", type=click.Choice(SPACES), default=SPACES[0], show_default=True
            ),
            click.option(
                "--scope",
                type=click.Choice(["same_source_test", "external", "local"]),
                help="Where the rows come from.",
            ),
            click.option(
                "--bootstrap",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                metavar="N",
                help="Resamples of the patients, shown beside the intervals; on a GPU if any.",
            ),
            click.option(
                "--stream-above",
                type=click.IntRange(min=0),
                metavar="ROWS",
                help="Read larger Parquet tables in portions; default 2,000,000.",
            ),
            click.option(
                "--case-id", metavar="COL", help="Unique ids; default row numbers from 0."
            ),
            click.option("--weight", metavar="COL", help="Weight of each row."),
            click.option("--acquired", metavar="COL", help="Date of each case."),
            click.option("--site", metavar="COL", help="Site of each case."),
        )
    ):
        command = option(command)
    return command


def _of_tasks(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--time", metavar="COL", help="Time of a survival outcome."),
            click.option("--event", metavar="COL", help="Event of a survival outcome."),
            click.option(
                "--horizon",
                "horizons",
                multiple=True,
                type=float,
                help="Time that a survival output is judged at; one, or one for each.",
            ),
            click.option(
                "--measure",
                "measures",
                multiple=True,
                metavar="METRIC=COL",
                help="Of a segmentation: dice=COL, hd95=COL.",
            ),
            click.option("--image", metavar="COL", help="Of a detection: image of each mark."),
            click.option("--stay", metavar="COL", help="Stay that a prediction belongs to."),
            click.option("--predicted-at", metavar="COL", help="Time of each prediction."),
            click.option("--event-at", metavar="COL", help="Time of the stay's event, or empty."),
            click.option("--window", type=float, help="How long before its event an alarm warns."),
            click.option("--silence", type=float, help="How long an alarm silences later ones."),
            click.option(
                "--stay-unit", type=click.Choice(["min", "h", "d"]), help="Unit; default h."
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@_from_study
@_from_scores
@_of_tasks
@_both
def audit(**given: Any) -> None:
    """Audit models on a study, or a table of scores, and write a run folder.

    \b
    Examples:
      auscult audit --study sample_data/chest_xray --model sample_data/chest_xray/models/1.0 \\
        --policy sample_data/chest_xray/policy.toml --out runs/chest_xray
      auscult audit --predictions scores.parquet --label died --score risk --patient pid \\
        --group sex --group age:40,65 --intersect sex,age --threshold 0.2 --out runs/risk
      auscult audit --predictions follow_up.parquet --task survival --time days --event died \\
        --score risk_1y --horizon 365 --group sex --out runs/survival
    """  # noqa: D301 - \b keeps click from rewrapping the examples
    from audits.cli.summary import print_summary
    from audits.storage import open_run

    out: Path = given["out"]
    before = open_run(out).id if (out / "evidence.json").is_file() else None
    with progress_to(given.pop("progress_file")) as progress:
        run = _run(given, progress)
    if run.id == before:
        click.echo(f"{out} is up to date: nothing it was made from has changed.")
        return
    print_summary(run)


def _run(given: dict[str, Any], progress: Progress) -> Run:
    """Choose the form of the command and run it."""
    both = ("out", "policy", "seed", "store", "if_changed", "why")
    shared = {name: given.pop(name) for name in both}
    shared |= {"progress": progress, "command": sys.argv}
    if given["predictions"] is None:
        return _audit_study(given, shared)
    if given["study"] or given["models"]:
        raise click.UsageError("--predictions stands alone, without --study and --model")
    return _audit_scores(given, shared)


def _audit_study(given: dict[str, Any], shared: dict[str, Any]) -> Run:
    if not given["study"] or not given["models"]:
        raise click.UsageError("name --study and --model, or --predictions")
    used = {"study", "models", "device", "explain_cases", "check_cases", "ray"}
    refuse_options_of_scores(given, used=used)
    from audits.running import run_study_audit

    if given["ray"]:
        _score_with_ray(given, shared)
    return run_study_audit(
        given["study"],
        given["models"],
        device=given["device"],
        explain_cases=given["explain_cases"],
        check_cases=given["check_cases"],
        **shared,
    )


def _score_with_ray(given: dict[str, Any], shared: dict[str, Any]) -> None:
    """Score every model on the cluster; the audit then finds the scores in the store."""
    from audits.cancel import part_of
    from audits.predictions.spread import Spread, predict_spread
    from audits.storage import Store

    cache = Store(shared["store"]).cache
    models = given["models"]
    for index, model in enumerate(models):
        predict_spread(
            Path(given["study"]),
            Path(model),
            Spread(address=given["ray"]),
            cache=cache,
            device=given["device"],
            with_maps=given["explain_cases"] > 0,
            progress=part_of(shared["progress"], index / len(models), (index + 1) / len(models)),
        )


def _audit_scores(given: dict[str, Any], shared: dict[str, Any]) -> Run:
    _check_scores(given)
    from audits.running import run_predictions_audit
    from audits.running.task_options import label_or_event, task_names

    positives = [typed(value) for value in given["positives"]] or [1]
    return run_predictions_audit(
        given["predictions"],
        labels=label_or_event(given["labels"], given["event"], given["time"]),
        scores=list(given["scores"]),
        thresholds=given["thresholds"],
        threshold_chosen_on=given["threshold_chosen_on"],
        horizons=given["horizons"],
        columns_of=task_names(
            weight=given["weight"],
            time=given["time"],
            measures=measures_of(given["measures"], "measure"),
            image=given["image"],
            stays=_stays(given),
            acquired=given["acquired"],
            site=given["site"],
        ),
        patient=given["patient"],
        groups=list(given["groups"]),
        intersections=[text.split(",") for text in given["intersect"]],
        positive=positives[0] if len(positives) == 1 else positives,
        task=given["task"],
        space=given["space"],
        scope=given["scope"] or "same_source_test",
        case_id=given["case_id"],
        stream_above=given["stream_above"],
        bootstrap=given["bootstrap"],
        device=given["device"],
        **shared,
    )


def _check_scores(given: dict[str, Any]) -> None:
    """Refuse what a table of scores cannot have."""
    check_task_options(
        given, ("measures",) if given["task"] == "segmentation" else ("labels", "scores")
    )
    if given["device"] in ("cuda", "mps"):
        from model_adapters import select_device

        select_device(given["device"])


def _stays(given: dict[str, Any]) -> dict[str, Any] | None:
    """Gather the options of repeated predictions; None where none is given."""
    needed = {"stay": "stay", "at": "predicted_at", "event": "event_at", "window": "window"}
    more = {"silence": "silence", "unit": "stay_unit"}
    found = {key: given[name] for key, name in (needed | more).items() if given[name] is not None}
    if not found:
        return None
    absent = [option_name(name) for key, name in needed.items() if key not in found]
    if absent:
        raise click.UsageError(f"repeated predictions need --{absent[0]}, too")
    return found
