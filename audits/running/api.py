"""The audit as a function, for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.running.predictions import AuditResult, audit_table, open_scores

if TYPE_CHECKING:
    import pandas as pd


def audit_predictions(  # noqa: PLR0913 - the contract's arguments, all but the table by keyword
    table: pd.DataFrame | Path | str,
    *,
    label: str | Sequence[str],
    score: str | Sequence[str],
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    patient: str | None = None,
    threshold: float | Sequence[float] | None = None,
    policy: Path | str | Mapping[str, Any] | None = None,
    seed: int = 0,
    why: bool | None = False,
    **options: Any,
) -> AuditResult:
    """Audit a table of labels and scores.

    Args:
        table: A table, or a CSV or Parquet file.
        label: Label column, or several.
        score: Score column for each label, in order.
        groups: ``COL`` or ``COL:b1,b2,…`` each; bands are half-open, the outer ones open.
        intersections: Lists of column names, banded as in ``groups``.
        patient: Column that says which rows are the same patient.
        threshold: Predicted positive means score >= threshold; one for all labels or one each.
        policy: Policy file or the same as data; None for the default policy.
        seed: Seed of everything random.
        why: Add causes, slices and a mitigation preview to every output; None for tables of up to
            60,000 scored labels, as the command does.
        options: ``positive``, ``task``, ``space``, ``scope``, ``case_id`` and ``name``, as on the
            command line.

    Returns:
        The result; ``to_dict()`` is the exact ``evidence.json``.

    Raises:
        PackageError: One sentence on the first thing that cannot be used as it stands.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"y": [0, 1, 1], "s": [0.1, 0.4, 0.9], "sex": ["F", "M", "F"]})
        >>> result = audit_predictions(table, label="y", score="s", groups=["sex"], threshold=0.5)
        >>> result.to_dict()["outputs"][0]["overall"]["metrics"]["tpr"]["k"]
        1
    """
    opened, declared = open_scores(
        table,
        policy=policy,
        labels=label,
        scores=score,
        patient=patient,
        groups=groups,
        intersections=intersections,
        **options,
    )
    if threshold is None:
        thresholds: Sequence[float] = ()
    else:
        thresholds = [threshold] if isinstance(threshold, (int, float)) else list(threshold)
    return audit_table(
        opened,
        declared,
        thresholds=thresholds,
        task=str(options.get("task", "binary")),
        seed=seed,
        why=why,
    )
