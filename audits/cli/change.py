"""The summary that ``auscult compare`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from audits.cli.summary import skipped

if TYPE_CHECKING:
    from audits.storage import Run

_SHOWN = ("tpr", "fpr", "auroc")
_OF_TASK = {
    "survival": ("c_uno", "auc_t", "oe_t"),
    "segmentation": ("dice", "hd95"),
    "detection": ("froc",),
    "regression": ("mae", "bias"),
    "ordinal": ("kappa_w", "mae"),
}
"""Metrics that are printed, by task; of calls and risks ``_SHOWN``."""


def print_change(run: Run) -> None:
    """Print what changed for everybody and for every group, and where the run is."""
    comparison = run.evidence["comparison"]
    click.echo(f"{comparison['base']} to {comparison['candidate']}")
    for output in comparison["outputs"]:
        click.echo(output["name"])
        metrics = _OF_TASK.get(output["task"], _SHOWN)
        heads = "".join(f"{metric + ' change [95 %]':>31}" for metric in metrics)
        click.echo(f"  {'group':32}{'n':>8}{heads}{'newly wrong':>13}{'newly right':>13}")
        for group in output["groups"]:
            click.echo(_line(group, metrics))
        said = Counter(
            entry["verdict"]
            for group in output["groups"]
            for entry in group["metrics"].values()
            if entry.get("verdict")
        )
        order = ("better", "worse", "equivalent", "inconclusive", "not_evaluable")
        words = ", ".join(f"{said[name]} {name.replace('_', ' ')}" for name in order)
        click.echo(f"  verdicts: {words}")
    _print_drift(comparison.get("explanation_drift"))
    for finding in run.evidence.get("findings", []):
        if finding["where"] == "comparison":
            click.echo(f"Note: {finding['message']}")
    if run.evidence["skipped"]:
        click.echo(f"Skipped cases are listed in the run: {skipped(run.evidence['skipped'])}.")
    click.echo(f"\nWrote {run.path} (run {run.id}, release {run.evidence['release']}).")


def _print_drift(drift: Mapping[str, Any] | None) -> None:
    """Print how far the reasons for the same cases are apart, beside the noise."""
    if not drift:
        return
    click.echo("Explanation drift (0 the same reasons, 1 none shared)")
    if not drift["outputs"]:
        click.echo(f"  not compared: {drift['reason']}")
    for output in drift["outputs"]:
        noise = "; ".join(
            f"{_NOISE[kind]} {_level(found)}" for kind, found in output["noise"].items()
        )
        verdict = output["verdict"].replace("_", " ")
        said = f"  {output['name']}: {_level(output['distance'])}; {noise or 'nothing was re-run'}"
        click.echo(f"{said}: {verdict}")
        for one in output["moved_most"][:3]:
            call = {True: "same call", False: "other call", None: "no call"}[one["same_call"]]
            click.echo(f"    case {one['case']}: {one['distance']:.2f}, {call}")


_NOISE = {"rerun": "one version run again", "reseeded": "trained with another seed"}


def _level(estimate: Mapping[str, Any]) -> str:
    if estimate.get("value") is None:
        return f"– ({estimate.get('reason') or 'undefined'})"
    limits = f" [{estimate['low']:.2f}, {estimate['high']:.2f}]"
    return f"{estimate['value']:.2f}{limits}, n {estimate['n']}"


def _line(group: Mapping[str, Any], metrics: Sequence[str]) -> str:
    name = ", ".join(f"{key} {level}" for key, level in group["attributes"].items()) or "all"
    cells = "".join(f"{_change(group['metrics'].get(metric)):>31}" for metric in metrics)
    flips = "".join(f"{_count(group[flip]):>13}" for flip in ("negative_flips", "positive_flips"))
    n = "masked" if group.get("n") is None else f"{group['n']:,}"
    return f"  {name:32}{n:>8}{cells}{flips}"


def _change(entry: Mapping[str, Any] | None) -> str:
    delta = (entry or {}).get("delta") or {}
    if delta.get("value") is None:
        return "–"
    if delta.get("low") is None:
        return f"{delta['value']:+.3f}"
    verdict = {"better": " better", "worse": " worse"}.get((entry or {}).get("verdict") or "", "")
    return f"{delta['value']:+.3f} [{delta['low']:+.3f}, {delta['high']:+.3f}]{verdict}"


def _count(flips: Mapping[str, Any]) -> str:
    return "–" if flips.get("k") is None else f"{flips['k']:,}"
