"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import click

store_option = click.option(
    "--store",
    type=click.Path(),
    metavar="DIR",
    help="Store of runs; default AUSCULT_HOME, else ~/.auscult.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where models run.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the run."
)
check_cases_option = click.option(
    "--check-cases",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    metavar="N",
    help="Explained cases of each model whose explanations are tested; 0 for none.",
)


def refuse_options_of_scores(given: Mapping[str, Any], *, used: Collection[str]) -> None:
    """Refuse options of --predictions beside --study.

    Args:
        given: Every option of the command.
        used: Those that a study takes.

    Raises:
        UsageError: Names the first one.
    """
    defaults = {"task": "binary", "space": "probability", "bootstrap": 0}
    for name, value in given.items():
        if name not in used and value not in (None, (), defaults.get(name)):
            raise click.UsageError(
                f"--{option_name(name)} belongs to --predictions; a study declares it in study.toml"
            )


def option_name(name: str) -> str:
    """Return how a person writes an option."""
    singular = {"labels": "label", "scores": "score", "thresholds": "threshold"}
    singular |= {"groups": "group", "positives": "positive"}
    singular |= {"horizons": "horizon", "measures": "measure"}
    singular |= {"candidate_thresholds": "candidate_threshold"}
    singular |= {"base_measures": "base_measure", "candidate_measures": "candidate_measure"}
    singular |= {"base_scores": "base_score", "candidate_scores": "candidate_score"}
    return singular.get(name, name).replace("_", "-")


def typed(text: str) -> int | str:
    """Read 1 as a number; anything else stays text."""
    return int(text) if text.lstrip("-").isdigit() else text
