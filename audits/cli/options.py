"""Options that several commands share."""

from __future__ import annotations

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
