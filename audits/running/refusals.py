"""What a run refuses before any model is scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audits.errors import AuditError
from audits.fairness import BINARY_TASKS
from audits.running.base_run import BaseRun
from model_adapters import Manifest


def refuse_other_task(manifests: Sequence[Manifest], base: BaseRun | None) -> None:
    """Refuse versions of two tasks before either is scored; spellings of a binary one are alike."""
    tasks: list[str] = [m.output.task for m in manifests]
    if base is not None:
        held = next(one for one in base.run.exact["outputs"] if one["model"] == base.key)
        tasks = [str(held["task"]), *tasks]
    first, second = tasks[0], tasks[-1]
    if first != second and not {first, second} <= set(BINARY_TASKS):
        raise AuditError(
            f"{manifests[-1].folder}: the base's task is {first} and the candidate's {second}, so "
            "their scores mean different things; compare versions of one task."
        )


def refuse_doubles(manifests: Sequence[Manifest]) -> None:
    """Refuse two model folders of one id and version."""
    seen: dict[str, Path] = {}
    for manifest in manifests:
        key = manifest.card.key
        if key in seen:
            raise AuditError(
                f"{manifest.folder}: is {key}, and so is {seen[key]}; give each model folder its "
                "own id or version."
            )
        seen[key] = manifest.folder
