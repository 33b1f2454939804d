"""The command ``auscult``: everything a person or a CI job can ask for, without the app."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code.

    0 done · 1 a run is not intact, a model does not conform · 2 wrong use or bad input, one
    sentence on stderr · 70 an error in Auscult itself, with an id and a log · 130 interrupted ·
    143 asked to end.
    """
    from audits.cli.failures import run_guarded

    sys.exit(run_guarded(args))


__all__ = ["main"]
