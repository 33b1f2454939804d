"""What the dashboard was started with: store, runs, studies and models.

The launcher writes these into the environment of the server process, so that every page, and a
second browser, sees the same ones whatever directory the server was started from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STORE = "AUSCULT_HOME"
RUNS = "AUSCULT_DASHBOARD_RUNS"
STUDIES = "AUSCULT_DASHBOARD_STUDIES"
MODELS = "AUSCULT_DASHBOARD_MODELS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Folders the dashboard looks into.

    Attributes:
        store: The store of runs (registry, cache, jobs).
        runs: Run folders named at the start, shown beside those of the store.
        studies: Study folders offered for a new audit.
        models: Model folders offered for a new audit.
    """

    store: Path
    runs: tuple[Path, ...] = ()
    studies: tuple[Path, ...] = ()
    models: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the variables that carry these settings to the server process."""
        return {
            STORE: str(self.store),
            RUNS: _joined(self.runs),
            STUDIES: _joined(self.studies),
            MODELS: _joined(self.models),
        }


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process.

    Args:
        environment: Variables to read; the process's own by default.

    Example:
        >>> read_settings({"AUSCULT_HOME": "/data/store"}).store.name
        'store'
    """
    env = os.environ if environment is None else environment
    return Settings(
        store=Path(env.get(STORE) or "~/.auscult").expanduser(),
        runs=_split(env.get(RUNS, "")),
        studies=_split(env.get(STUDIES, "")),
        models=_split(env.get(MODELS, "")),
    )


def _joined(paths: tuple[Path, ...]) -> str:
    return os.pathsep.join(str(path) for path in paths)


def _split(value: str) -> tuple[Path, ...]:
    return tuple(Path(part) for part in value.split(os.pathsep) if part)
