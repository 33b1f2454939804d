"""The audit as a function, for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.running.predictions import AuditResult, audit_table, open_scores
from audits.running.task_options import label_or_event, task_names

if TYPE_CHECKING:
    import pandas as pd

    from audits.fairness.custom import Metric, Of


def audit_predictions(  # noqa: PLR0913 - the contract's arguments, all but the table by keyword
    table: pd.DataFrame | Path | str,
    *,
    label: str | Sequence[str] | None = None,
    score: str | Sequence[str] | None = None,
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    patient: str | None = None,
    threshold: float | Sequence[float] | None = None,
    policy: Path | str | Mapping[str, Any] | None = None,
    seed: int = 0,
    why: bool | None = False,
    bootstrap: int = 0,
    weight: str | None = None,
    time: str | None = None,
    event: str | None = None,
    horizon: float | Sequence[float] | None = None,
    measures: Mapping[str, str] | None = None,
    image: str | None = None,
    stays: Mapping[str, Any] | None = None,
    acquired: str | None = None,
    site: str | None = None,
    custom_metrics: Mapping[str, Metric | tuple[Metric, Of]] | None = None,
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
        bootstrap: Resamples of the patients for a view beside the intervals; 0 for none.
        weight: Column of the weight of each row.
        time: Column of the time of a survival outcome.
        event: Column of its event; the label where none is named.
        horizon: Time that survival outputs are judged at, in the unit of ``time``.
        measures: Of a segmentation: ``dice`` and ``hd95`` to their columns.
        image: Of a detection: column of the image that each mark lies in.
        stays: Of predictions that repeat: ``stay``, ``at``, ``event``, ``window`` and, optionally,
            ``silence`` and ``unit``, as in ``[stays]`` of a study.
        acquired: Column of the date of each case, for prevalence by month.
        site: Column of the site of each case, for prevalence by site.
        custom_metrics: Name -> ``function(y_true, y_pred)`` with calls of 0 and 1, or that and
            ``"score"``; shown for every group with patient-bootstrap intervals, without verdict.
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
        labels=label_or_event(label, event, time),
        scores=score or (),
        patient=patient,
        groups=groups,
        intersections=intersections,
        columns_of=task_names(
            weight=weight,
            time=time,
            measures=measures,
            image=image,
            stays=stays,
            acquired=acquired,
            site=site,
        ),
        **options,
    )
    return audit_table(
        opened,
        declared,
        thresholds=_listed(threshold),
        horizons=_listed(horizon),
        custom_metrics=custom_metrics,
        task=str(options.get("task", "binary")),
        seed=seed,
        why=why,
        bootstrap=bootstrap,
    )


def _listed(value: float | Sequence[float] | None) -> Sequence[float]:
    if value is None:
        return ()
    return [value] if isinstance(value, (int, float)) else list(value)
