"""The summary that ``auscult compare`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from audits.storage import Run

_SHOWN = ("tpr", "fpr", "auroc")


def print_change(run: Run) -> None:
    """Print what changed for everybody and for every group, and where the run is."""
    comparison = run.evidence["comparison"]
    click.echo(f"{comparison['base']} to {comparison['candidate']}")
    for output in comparison["outputs"]:
        click.echo(output["name"])
        heads = "".join(f"{metric + ' change [95 %]':>31}" for metric in _SHOWN)
        click.echo(f"  {'group':32}{'n':>8}{heads}{'newly wrong':>13}{'newly right':>13}")
        for group in output["groups"]:
            click.echo(_line(group))
        said = Counter(
            entry["verdict"]
            for group in output["groups"]
            for entry in group["metrics"].values()
            if entry.get("verdict")
        )
        order = ("better", "worse", "equivalent", "inconclusive", "not_evaluable")
        words = ", ".join(f"{said[name]} {name.replace('_', ' ')}" for name in order)
        click.echo(f"  verdicts: {words}")
    click.echo(f"\nWrote {run.path} (run {run.id}, release {run.evidence['release']}).")


def _line(group: Mapping[str, Any]) -> str:
    name = ", ".join(f"{key} {level}" for key, level in group["attributes"].items()) or "all"
    cells = "".join(f"{_change(group['metrics'].get(metric)):>31}" for metric in _SHOWN)
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
