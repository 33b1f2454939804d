"""``auscult compare``: a run with paired statistics of two versions on the same patients."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audits.cli.options import (
    check_cases_option,
    device_option,
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


@click.command()
@click.option("--study", type=click.Path(), metavar="DIR", help="Study folder.")
@click.option("--base", type=click.Path(), metavar="DIR", help="Model folder in use.")
@click.option("--base-run", type=click.Path(), metavar="RUN", help="Run that scored it, instead.")
@click.option(
    "--base-model", metavar="ID@VERSION", help="Which model of that run; default its one."
)
@click.option("--candidate", type=click.Path(), metavar="DIR", help="What would replace it.")
@click.option(
    "--reseeded",
    type=click.Path(),
    metavar="DIR",
    help="The model in use trained with another seed: its reasons differ without a change.",
)
@click.option("--predictions", type=click.Path(), metavar="FILE", help="CSV or Parquet.")
@click.option("--label", "labels", multiple=True, metavar="COL", help="Repeat for more.")
@click.option("--base-score", "base_scores", multiple=True, metavar="COL", help="One a label.")
@click.option("--candidate-score", "candidate_scores", multiple=True, metavar="COL")
@click.option("--threshold", "thresholds", multiple=True, type=float, help="One, or one a label.")
@click.option(
    "--candidate-threshold",
    "candidate_thresholds",
    multiple=True,
    type=float,
    help="The candidate's, where it decides at another one.",
)
@click.option("--threshold-chosen-on", metavar="SHA256", help="Where it was chosen.")
@click.option("--patient", metavar="COL", help="Which rows are the same patient.")
@click.option("--group", "groups", multiple=True, metavar="COL[:b1,b2,…]", help="Repeat.")
@click.option("--intersect", multiple=True, metavar="COL,COL", help="Repeat for more.")
@click.option("--positive", "positives", multiple=True, metavar="VALUE", help="Default 1.")
@click.option(
    "--scope",
    type=click.Choice(["same_source_test", "external", "local"]),
    help="Where the rows come from.",
)
@click.option("--case-id", metavar="COL", help="Unique ids; default row numbers from 0.")
@click.option("--space", type=click.Choice(SPACES), default=SPACES[0], show_default=True)
@click.option("--task", type=click.Choice(TASKS), default="binary", show_default=True)
@click.option("--weight", metavar="COL", help="Weight of each row.")
@click.option("--time", metavar="COL", help="Time of a survival outcome.")
@click.option("--event", metavar="COL", help="Event of a survival outcome.")
@click.option("--horizon", "horizons", multiple=True, type=float, help="One, or one an output.")
@click.option("--image", metavar="COL", help="Of a detection: image of each mark.")
@click.option(
    "--base-measure",
    "base_measures",
    multiple=True,
    metavar="METRIC=COL",
    help="Of a segmentation: dice=COL, hd95=COL of the version in use.",
)
@click.option(
    "--candidate-measure",
    "candidate_measures",
    multiple=True,
    metavar="METRIC=COL",
    help="The same of the candidate.",
)
@click.option("--policy", type=click.Path(), metavar="FILE", help="Declared beforehand.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--explain-cases", type=click.IntRange(min=0), default=50, show_default=True, metavar="N"
)
@check_cases_option
@click.option("--if-changed", is_flag=True, help="Keep RUN if made from the same things.")
@click.option("--progress-file", type=click.Path(path_type=Path), hidden=True)
@device_option
@seed_option
@store_option
def compare(**given: Any) -> None:
    """Compare two versions of a model, overall and for every declared group.

    \b
    Examples:
      auscult compare --study my_study --base models/1.0 --candidate models/2.0 --out runs/change
      auscult compare --study my_study --base-run runs/first --candidate models/2.0 \\
        --out runs/change
      auscult compare --predictions scores.parquet --label died --base-score old \\
        --candidate-score new --patient pid --group sex --threshold 0.2 --out runs/change
      auscult compare --predictions follow_up.parquet --task survival --time days --event died \
        --base-score risk_old --candidate-score risk_new --horizon 365 --out runs/change
    """  # noqa: D301 - \b keeps click from rewrapping the examples
    from audits.cli.change import print_change

    with progress_to(given.pop("progress_file")) as progress:
        run = _run(given, progress)
    print_change(run)


def _run(given: dict[str, Any], progress: Progress) -> Run:
    both = ("out", "policy", "seed", "store", "if_changed")
    shared = {name: given.pop(name) for name in both}
    shared |= {"progress": progress, "command": sys.argv}
    if given["predictions"] is not None:
        return _compare_scores(given, shared)
    return _compare_models(given, shared)


def _compare_models(given: dict[str, Any], shared: dict[str, Any]) -> Run:
    if not (given["study"] and given["candidate"] and (given["base"] or given["base_run"])):
        raise click.UsageError(
            "name --study, --candidate and --base or --base-run, or --predictions"
        )
    if given["base"] and given["base_run"]:
        raise click.UsageError("--base and --base-run both name the version in use; leave one out")
    if given["base_model"] and not given["base_run"]:
        raise click.UsageError("--base-model names a model of --base-run; leave it out")
    refuse_options_of_scores(given, used=(*_MODELS, "device", "explain_cases", "check_cases"))
    from audits.running import run_study_audit

    known = [] if given["base"] is None else [given["base"]]
    return run_study_audit(
        given["study"],
        [*known, given["candidate"]],
        compare=True,
        base_run=given["base_run"],
        base_model=given["base_model"],
        reseeded=given["reseeded"],
        device=given["device"],
        explain_cases=given["explain_cases"],
        check_cases=given["check_cases"],
        **shared,
    )


_MODELS = ("study", "base", "base_run", "base_model", "candidate", "reseeded")


def _compare_scores(given: dict[str, Any], shared: dict[str, Any]) -> Run:
    if any(given[name] for name in _MODELS):
        raise click.UsageError("--predictions stands alone, without --study, --base, --candidate")
    segmentation = given["task"] == "segmentation"
    scores = ("labels", "base_scores", "candidate_scores")
    check_task_options(given, ("base_measures", "candidate_measures") if segmentation else scores)
    from audits.running import run_predictions_comparison
    from audits.running.task_options import label_or_event, task_names

    labels = label_or_event(given["labels"], given["event"], given["time"])
    if given["event"]:
        labels = [given["event"]] * max(len(given["base_scores"]), 1)
    positives = [typed(value) for value in given["positives"]] or [1]
    return run_predictions_comparison(
        given["predictions"],
        labels=labels,
        base_scores=list(given["base_scores"]),
        candidate_scores=list(given["candidate_scores"]),
        thresholds=given["thresholds"],
        candidate_thresholds=given["candidate_thresholds"],
        threshold_chosen_on=given["threshold_chosen_on"],
        horizons=given["horizons"],
        task=given["task"],
        columns_of=task_names(
            weight=given["weight"],
            time=given["time"],
            measures=measures_of(given["base_measures"], "base-measure"),
            image=given["image"],
        ),
        candidate_measures=measures_of(given["candidate_measures"], "candidate-measure"),
        patient=given["patient"],
        groups=list(given["groups"]),
        intersections=[text.split(",") for text in given["intersect"]],
        positive=positives[0] if len(positives) == 1 else positives,
        scope=given["scope"] or "same_source_test",
        case_id=given["case_id"],
        space=given["space"],
        **shared,
    )
