"""``auscult explain``: why one case got its score."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from audits.cli.options import device_option, seed_option
from audits.errors import StoreError
from audits.risk_points import risk_points

if TYPE_CHECKING:
    from audits.explanations import CaseExplanation, PlayerEffect


@click.command()
@click.option("--study", required=True, metavar="DIR", help="Study folder.")
@click.option("--model", required=True, metavar="DIR", help="Model folder.")
@click.option("--case", required=True, metavar="ID", help="Case of the study.")
@click.option("--output", metavar="NAME", help="Output; default the highest score.")
@click.option("--method", metavar="NAME", help="Method; default the one that suits the model.")
@click.option(
    "--background",
    default="all",
    show_default=True,
    metavar="NAME",
    help="Cohort that effects are measured against: all, same_unit, age_sex or healthy.",
)
@click.option(
    "--region",
    metavar="REGION",
    help="Of a segmentation: mask (default), reference, pixel:ROW,COLUMN or box:R,C,R,C.",
)
@click.option(
    "--since",
    type=click.FloatRange(min=0, min_open=True),
    metavar="HOURS",
    help="Of measurements over time: tell the change since so long ago (default: a quarter).",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A run of this model: it says how many of 100 such patients had the condition.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--checks/--no-checks",
    default=True,
    show_default=True,
    help="Test the explanation itself, by some hundred further passes of the model.",
)
@device_option
@seed_option
def explain(  # noqa: PLR0913 - the options of the contract
    *,
    study: str,
    model: str,
    case: str,
    output: str | None,
    method: str | None,
    background: str,
    region: str | None,
    since: float | None,
    run: Path | None,
    out: Path,
    checks: bool,
    device: str,
    seed: int,
) -> None:
    """Explain the score of one case: explanation.json, and for images maps as NPZ and PNG.

    \b
    Example:
      auscult explain --study sample_data/chest_xray --model sample_data/chest_xray/models/1.0 \\
        --case cxr-300057 --output effusion --out explained
    """  # noqa: D301 - \b keeps click from rewrapping the example
    from audits.explanations import explain_case

    result = explain_case(
        study=study,
        model=model,
        case=case,
        output=output,
        method=method,
        seed=seed,
        device=device,
        checks=checks,
        background=background,
        region=region,
        since=since,
        run=run,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out, prefix=".part-") as part:
            # The JSON comes last: whoever sees it finds the arrays that it names.
            for written in reversed(result.save(Path(part))):
                written.replace(out / written.name)
    except OSError as error:
        raise StoreError(
            f"{out}: cannot be written ({error.strerror}); choose another --out."
        ) from error
    probability = result.score.probability
    score = "" if probability is None else f", probability {probability:.3f}"
    click.echo(f"{result.case} · {result.model} · {result.output}{score} · {result.method}")
    _print_observed(result)
    click.echo(result.estimand)
    for player in sorted(result.players, key=lambda p: -abs(p.effect)):
        spread = "" if not player.se else f" ± {player.se:.3f}"
        value = "" if player.value is None else f" = {player.value}"
        unit = "" if isinstance(player.value, str) else player.unit or ""
        points = risk_points(player.effect, result.score.logit)
        risk = "" if points is None else f" ({100 * points:+.1f} points)"
        line = f"  {player.effect:+.3f}{spread}{risk}  {player.label}{value} {unit}".rstrip()
        split = player.measurement
        told = "" if split is None else f"  ({split.effect:+.3f} by being measured or not)"
        click.echo(line + _reference(player) + told)
    _print_background(result)
    _print_region(result)
    _print_parts(result)
    _print_checks(result)
    for finding in result.findings:
        click.echo(f"{finding.severity}: {finding.message}")
    click.echo(f"Wrote {out}.")


def _reference(player: PlayerEffect) -> str:
    """Return where a value lies in its reference range, and the variable's code."""
    said = []
    if player.low is not None or player.high is not None:
        side = ""
        if isinstance(player.value, int | float):
            low = player.low is not None and player.value < player.low
            high = player.high is not None and player.value > player.high
            side = "low, " if low else "high, " if high else "in "
        ends = ("" if end is None else f"{end:g}" for end in (player.low, player.high))
        said.append(f"{side}reference {' to '.join(ends)}")
    if player.code:
        said.append(player.code)
    return f"  [{'; '.join(said)}]" if said else ""


def _print_observed(result: CaseExplanation) -> None:
    """Print how many of a hundred cases with such a risk had the condition, or why not."""
    from audits.fairness.observed_risk import of_hundred

    found = result.observed_risk or {}
    if found.get("state") != "computed":
        click.echo(f"  {found.get('reason')}")
        return
    rate, low, high = (of_hundred(found[name]) for name in ("rate", "low", "high"))
    where = f"split {found['split']}" if found["split"] else "the audited cases"
    click.echo(
        f"  observed: {rate} in 100 ({low} to {high}), n {found['n']:,} of "
        f"{found['n_patients']:,} patients with such a risk, in {where}"
    )


def _print_background(result: CaseExplanation) -> None:
    """Print whom effects are measured against, and what changes against other cohorts."""
    if result.background is None:
        return
    click.echo(f"  background: {result.background.name}")
    for view in result.sensitivity:
        turned = f"; other sign: {', '.join(view.turned)}" if view.turned else "; no sign changes"
        click.echo(f"  against {view.background.name}{turned}")


def _print_region(result: CaseExplanation) -> None:
    """Print how large the segmentation is, and what its strongest places do to it."""
    found = result.region
    if found is None:
        return
    dice = "" if found.dice is None else f", Dice with the study's mask {found.dice:.3f}"
    click.echo(f"  segmented: {found.size:.4g} {found.unit}{dice}")
    click.echo(
        f"  strongest tenth of the map blanked: {found.removed_size:.4g} {found.unit}, Dice with "
        f"the {found.against} {found.removed_dice:.3f} (elsewhere blanked: "
        f"{found.elsewhere_size:.4g}, {found.elsewhere_dice:.3f})"
    )


def _print_parts(result: CaseExplanation) -> None:
    """Print the effect of each input, what changed, and what a note's deletion test says."""
    for one in result.modalities:
        click.echo(f"  {one.effect:+.3f}  all of: {one.label}")
    change = result.timeline.change if result.timeline else None
    if change is not None:
        click.echo(
            f"  since {change.hours:g} h ago: {change.before:+.3f} then, {change.now:+.3f} now"
        )
        for new in sorted(change.players, key=lambda p: -abs(p.effect)):
            click.echo(f"    {new.effect:+.3f}  {new.label}, {new.measured} new")
    deletion = result.note.deletion if result.note else None
    if deletion is not None:
        others = "" if deletion.others is None else f", others {deletion.others:+.3f}"
        click.echo(
            f"  without the {deletion.sentences} leading sentences: {deletion.after:+.3f} instead "
            f"of {deletion.before:+.3f}{others}"
        )


def _print_checks(result: CaseExplanation) -> None:
    """Print how far the effects are known, what was tested, and the word that sums it up."""
    from audits.explanations.checks import badge

    errors = [player.se for player in result.players if player.se is not None]
    if errors:
        click.echo(f"  largest standard error: {max(errors):.3g} (\u00b1 above; 1.96 make 95 %)")
    if result.off_support_share is not None:
        click.echo(f"  off-support share: {result.off_support_share:.0%}")
    for check in result.checks:
        if check.verdict == "not_checked":
            continue
        beside = "" if check.null is None else f", beside {check.null:.3g}"
        value = "" if check.value is None else f" ({check.value:.3g}{beside})"
        told = f": {check.detail}" if check.detail else ""
        click.echo(f"  {check.name}: {check.verdict}{value}{told}")
    word, reason = badge(result.checks)
    because = f" because of {reason}" if reason else ""
    click.echo(f"Explanation: {word.replace('_', ' ')}{because}.")
