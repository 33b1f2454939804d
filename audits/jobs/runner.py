"""Starting, finding and cancelling jobs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from audits.errors import StoreError
from audits.jobs.state import LOG, PID, REQUEST, Job, is_alive, read_job, take_lock, write_state
from audits.storage import Store, sha256_of

_START = "start.lock"
_KEY_LENGTH = 32


class JobRunner:
    """The jobs of one store; at most one audit runs at a time, the others wait.

    Two people who ask for the same audit share one job: jobs are named by what they are made
    from.

    Args:
        store: The store, its folder, or None for the default one.
    """

    def __init__(self, store: Store | Path | str | None = None) -> None:
        self._store = store if isinstance(store, Store) else Store(store)

    def start_audit(  # noqa: PLR0913 - mirrors the options of the command
        self,
        study: Path | str,
        models: Sequence[Path | str],
        *,
        policy: Path | str | None = None,
        device: str = "auto",
        seed: int = 0,
        explain_cases: int = 50,
        out: Path | str | None = None,
    ) -> Job:
        """Start the audit of models on a study, or return the job that already does it.

        Args:
            study: Study folder.
            models: Model folders.
            policy: Policy file.
            device: Where models run.
            seed: Seed of the run.
            explain_cases: Cases explained for each model.
            out: Run folder; by default one in the store, named after the study and the key.

        Returns:
            The job as it stands.
        """
        folders = [Path(study).absolute(), *(Path(m).absolute() for m in models)]
        arguments = ["--study", str(folders[0])]
        for model in folders[1:]:
            arguments += ["--model", str(model)]
        if policy is not None:
            arguments += ["--policy", str(Path(policy).absolute())]
        arguments += ["--device", device, "--seed", str(seed)]
        arguments += ["--explain-cases", str(explain_cases)]
        files = [*folders, *([Path(policy).absolute()] if policy is not None else [])]
        key = _key(arguments, files, out)
        target = Path(out).absolute() if out else self._run_folder(f"{folders[0].name}-{key[:8]}")
        return self.start(key, arguments, target)

    def start_explanation(self, arguments: Sequence[str], out: Path) -> Job:
        """Start ``auscult explain`` with these arguments, or return the job that already does it.

        Args:
            arguments: Options of the command, without ``--out``.
            out: Folder of the explanation.
        """
        return self.start(_key(list(arguments), [], out), arguments, out, verb="explain")

    def start(self, key: str, arguments: Sequence[str], out: Path, *, verb: str = "audit") -> Job:
        """Start a command with these arguments, or return the job of that key.

        A job that failed, was cancelled or whose run is gone starts again.
        """
        folder = self._store.jobs / key
        guard = take_lock(self._store.jobs / _START, wait=True)
        try:
            known = read_job(folder)
            done = known is not None and known.state == "done" and known.out.is_dir()
            if known is not None and (done or not known.ended):
                return known
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            request = {
                "arguments": list(arguments),
                "out": str(out),
                "store": str(self._store.folder),
                "verb": verb,
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            write_state(folder / REQUEST, request)
            _launch(folder)
        finally:
            if guard is not None:
                os.close(guard)
        job = self.job(key)
        if job is None:
            raise StoreError(f"{folder}: the job could not be started; check the store's folder.")
        return job

    def job(self, key: str) -> Job | None:
        """Return a job by its key, or None where there is none."""
        return read_job(self._store.jobs / key)

    def jobs(self) -> list[Job]:
        """Return every job of the store, newest first."""
        found = [read_job(p) for p in self._store.jobs.iterdir() if p.is_dir()]
        return sorted((j for j in found if j), key=lambda j: (j.created, j.key), reverse=True)

    def cancel(self, key: str) -> None:
        """Ask a job to end; it leaves no half run and its state becomes ``cancelled``."""
        folder = self._store.jobs / key
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            if is_alive(folder):  # so the number is still that of the job
                os.kill(int((folder / PID).read_text(encoding="ascii")), signal.SIGTERM)

    def log(self, key: str) -> str:
        """Return what the job printed."""
        try:
            return (self._store.jobs / key / LOG).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def _run_folder(self, name: str) -> Path:
        return self._store.folder / "runs" / name


def _launch(folder: Path) -> None:
    """Start the job's process; it has left us when this returns."""
    command = [sys.executable, "-m", "audits.jobs.work", str(folder)]
    subprocess.run(  # noqa: S603 - our own module, no shell
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _key(arguments: Sequence[str], files: Sequence[Path], out: Path | str | None) -> str:
    """Hash what the audit is asked for and the state of the files it names."""
    state = {
        "auscult": version("auscult"),
        "arguments": list(arguments),
        "files": [_state(path) for path in files],
        "out": None if out is None else str(Path(out).absolute()),
    }
    return sha256_of(state)[:_KEY_LENGTH]


def _state(path: Path) -> list[list[str | int]]:
    """Return name, size and time of change of a file, or of the files right in a folder."""
    members = sorted(path.iterdir()) if path.is_dir() else [path]
    return [
        [member.name, member.stat().st_size, member.stat().st_mtime_ns]
        for member in members
        if member.is_file()
    ]
