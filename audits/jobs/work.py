"""The process of one job: waits for its lane, runs the command, writes how it ended.

``python -m audits.jobs.work FOLDER`` leaves its parent before it works, so the job outlives
whoever started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from audits.jobs.state import (
    FINAL,
    LOCK,
    LOG,
    PID,
    PROGRESS,
    REQUEST,
    read_state,
    take_lock,
    write_state,
)
from audits.storage.interrupt import Terminated, termination_unwinds

LANES = {"audit": "lane.lock", "explain": "explanations.lock"}
"""One job of a kind at a time: nobody who waits for one explanation waits for an audit."""


def main(folder: Path) -> int:
    """Detach, then run the job in ``folder``."""
    # Held across the fork: the job counts as alive before its parent returns. It waits for those
    # who look at this moment whether somebody holds it, and for another process that is at it.
    take_lock(folder / LOCK, wait=True)
    if (folder / FINAL).exists() or os.fork():
        return 0
    os.setsid()
    work(folder)
    return 0


def work(folder: Path) -> None:
    """Run the job and write its final state."""
    try:
        with termination_unwinds():
            # Whoever knows the number may ask the job to end: it has to be ready for that.
            (folder / PID).write_text(str(os.getpid()), encoding="ascii")
            state, message = _run(folder)
    except Terminated:
        state, message = "cancelled", "It was cancelled; nothing was written."
    except Exception as error:  # noqa: BLE001 - whatever it was, the page must learn of it
        state, message = "failed", f"It could not be started ({error})."
    write_state(folder / FINAL, {"state": state, "message": message})


def _run(folder: Path) -> tuple[str, str]:
    request = read_state(folder / REQUEST)
    if request is None:
        raise FileNotFoundError(folder / REQUEST)
    verb = request.get("verb", "audit")
    lane = take_lock(folder.parent / LANES[verb], wait=True)
    try:
        write_state(folder / PROGRESS, {"share": 0.0, "message": "Starting"})
        command = [sys.executable, "-m", "audits.cli", verb, *request["arguments"]]
        command += ["--out", request["out"]]
        if verb == "audit":
            command += ["--store", request["store"], "--if-changed"]
            command += ["--progress-file", str(folder / PROGRESS)]
        with (folder / LOG).open("wb") as log:
            return _watched(command, log.fileno(), folder)
    finally:
        if lane is not None:
            os.close(lane)


def _watched(command: list[str], log: int, folder: Path) -> tuple[str, str]:
    child = subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    try:
        code = child.wait()
    except Terminated:
        child.terminate()
        child.wait()
        raise
    if code == 0:
        return "done", "Done"
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "failed", lines[-1] if lines else f"It ended with code {code}."


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
