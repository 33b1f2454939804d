"""What is known of a job, read from its folder."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audits.storage.canonical import canonical_json

JobState = Literal["queued", "running", "done", "failed", "cancelled"]

REQUEST = "request.json"
PROGRESS = "progress.json"
FINAL = "final.json"
LOCK = "alive.lock"
PID = "pid"
LOG = "log.txt"

_LOST = "The job ended without a word (was the machine restarted?); start it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands now.

    Attributes:
        key: Hash of what the job is made from; the same audit has the same key.
        state: queued, running, done, failed or cancelled.
        share: Finished share in [0, 1].
        message: What it is doing, or the sentence it ended with.
        out: The folder it makes.
        created: When it was asked for, ISO 8601 in UTC.
        arguments: Command line, without the command.
        verb: The command: ``audit`` or ``explain``.
    """

    key: str
    state: JobState
    share: float
    message: str
    out: Path
    created: str
    arguments: tuple[str, ...]
    verb: str = "audit"

    @property
    def ended(self) -> bool:
        """Return whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")


def read_job(folder: Path) -> Job | None:
    """Return the job in a folder, or None where there is none."""
    request = read_state(folder / REQUEST)
    if request is None:
        return None
    # The order matters: a job that ends between these lines is alive, then has a final state.
    alive = is_alive(folder)
    final = read_state(folder / FINAL)
    progress = read_state(folder / PROGRESS)
    if final is not None:
        state, message = final["state"], final["message"]
        share = 1.0 if state == "done" else (progress or {}).get("share", 0.0)
    elif not alive:
        state, message, share = "failed", _LOST, (progress or {}).get("share", 0.0)
    elif progress is None:
        state, message, share = "queued", "Waiting for another one to finish", 0.0
    else:
        state, message, share = "running", progress["message"], progress["share"]
    return Job(
        key=folder.name,
        state=state,
        share=float(share),
        message=str(message),
        out=Path(request["out"]),
        created=str(request["created"]),
        arguments=tuple(request["arguments"]),
        verb=str(request.get("verb", "audit")),
    )


def read_state(path: Path) -> dict[str, Any] | None:
    """Return a small JSON file, or None where it is not there."""
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return value


def write_state(path: Path, value: dict[str, Any]) -> None:
    """Replace a small JSON file, so that a reader sees the old or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(canonical_json(value))
    part.replace(path)


def take_lock(path: Path, *, wait: bool, shared: bool = False) -> int | None:
    """Return a held lock, or None if it is taken and ``wait`` is false.

    The system releases it when the last process that holds it ends, however it ends.

    Args:
        path: The lock's file, made if it is not there.
        wait: Wait until whoever holds it lets go.
        shared: Share it with others who share it; only one that does not excludes them.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:  # asked to end while waiting
        os.close(descriptor)
        raise
    return descriptor


def is_alive(folder: Path) -> bool:
    """Return whether the job's process still runs."""
    if not (folder / LOCK).exists():
        return False
    # A shared lock: two who look at the same time must not take each other for the job.
    descriptor = take_lock(folder / LOCK, wait=False, shared=True)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False
