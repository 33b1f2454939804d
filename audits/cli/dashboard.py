"""``auscult dashboard``: the app, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import click

from audits.cli.options import store_option


@click.command()
@click.option("--study", "studies", multiple=True, metavar="DIR", help="Study to offer; repeat.")
@click.option("--model", "models", multiple=True, metavar="DIR", help="Model to offer; repeat.")
@click.option("--run", "runs", multiple=True, metavar="DIR", help="Run to show; repeat.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port; default 8501.")
@store_option
def dashboard(
    *,
    studies: tuple[str, ...],
    models: tuple[str, ...],
    runs: tuple[str, ...],
    port: int | None,
    store: str | None,
) -> int:
    """Open the dashboard on this machine.

    \b
    Example:
      auscult dashboard --port 8601
    """  # noqa: D301 - \b keeps click from rewrapping the example
    # A process of its own: audits never imports the dashboard.
    command = [sys.executable, "-m", "dashboard"]
    for name, values in (("--study", studies), ("--model", models), ("--run", runs)):
        for value in values:
            command += [name, value]
    if port is not None:
        command += ["--port", str(port)]
    if store is not None:
        command += ["--store", store]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own module, no shell
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()
