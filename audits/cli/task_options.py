"""Options of tables of scores that depend on the task, as `audit` and `compare` share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from audits.cli.options import option_name

SPACES = ("probability", "logit", "value", "log_hazard", "survival")
TASKS = (
    *("binary", "multilabel", "multiclass", "ordinal", "regression"),
    *("survival", "segmentation", "detection"),
)


def check_task_options(given: Mapping[str, Any], needed: Sequence[str]) -> None:
    """Refuse what a table of scores cannot have, or must have and has not.

    Args:
        given: Every option of the command.
        needed: Options that every task but a segmentation needs.

    Raises:
        UsageError: Names the first one.
    """
    survival = given["task"] == "survival"
    if survival and not (given["time"] and (given["event"] or given["labels"])):
        raise click.UsageError("--task survival needs --time and --event")
    if not survival and (given["time"] or given["event"] or given["horizons"]):
        raise click.UsageError("--time, --event and --horizon belong to --task survival")
    if given["space"] in {"log_hazard", "survival"} and not survival:
        raise click.UsageError(f"--space {given['space']} belongs to --task survival")
    for name in needed:
        if not given[name] and not (name == "labels" and given["event"]):
            raise click.UsageError(
                f"--predictions needs --{option_name(name)}, once for each output"
            )


def measures_of(given: Sequence[str], option: str) -> dict[str, str]:
    """Read METRIC=COL of an option."""
    pairs = [text.partition("=") for text in given]
    for text, (metric, equals, name) in zip(given, pairs, strict=True):
        if not (metric and equals and name):
            raise click.UsageError(f"--{option} takes METRIC=COL, found {text!r}")
    return {metric: name for metric, _, name in pairs}
