"""What lists show of a run, kept beside the store so that a long list opens at once.

A run's evidence is some megabytes of JSON; a store may hold hundreds of runs. The summary of each
is written once under ``cache/cards`` and found again by the run's path and time stamp.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
"""Raised when a card gains or loses a field, so that older summaries are made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """Names one state of a run folder: another audit in the same place is another key."""

    path: str
    stamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCard:
    """What the lists show of a run."""

    ref: RunRef
    id: str
    created: str
    study: str
    study_version: str
    cases: int | None
    patients: int | None
    models: tuple[str, ...]
    verdicts: dict[str, int]
    confirmed: int
    skipped: int
    release: str
    policy: str
    kind: str


def kept_card(store: Path, ref: RunRef, make: Callable[[RunRef], RunCard]) -> RunCard:
    """Return the run's card from the store, or make it and keep it there.

    A summary that cannot be read is made anew; one that cannot be written is not kept.

    Args:
        store: Folder of the store.
        ref: The run.
        make: Reads the card out of the run's evidence.
    """
    key = hashlib.sha256(f"{FORMAT}\n{ref.path}\n{ref.stamp}".encode()).hexdigest()
    path = store / "cache" / "cards" / f"{key[:32]}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        return _from_plain(ref, json.loads(path.read_text(encoding="utf-8")))
    card = make(ref)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(card), sort_keys=True), encoding="utf-8")
        part.replace(path)
    return card


def _from_plain(ref: RunRef, held: Any) -> RunCard:
    if not isinstance(held, dict):
        raise TypeError(type(held).__name__)
    fields = {name: value for name, value in held.items() if name != "ref"}
    return RunCard(ref=ref, **{**fields, "models": tuple(fields["models"])})
