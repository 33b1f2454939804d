"""``auscult model``: does a model folder keep its promises, and how one is made."""

from __future__ import annotations

import click


@click.group()
def model() -> None:
    """Check or make model folders."""
