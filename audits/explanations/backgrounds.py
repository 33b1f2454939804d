"""The cohort that effects are measured against: named, hashed, never cut short in silence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audits.errors import ExplanationError
from audits.explanations.reference_cohorts import reference_cohort
from audits.explanations.result import BackgroundId

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from audits.types import Skipped
    from model_adapters.base import Batch, Field, ModelAdapter

DEFAULT_ROWS = 100
SEQUENCE_ROWS = 50
IMAGE_ROWS = 16


class CaseSource(Protocol):
    """What explanations need of a study; :class:`audits.cohorts.Study` is one."""

    @property
    def name(self) -> str:
        """Return the study's name."""
        ...

    @property
    def version(self) -> str:
        """Return the study's version."""
        ...

    @property
    def sha256(self) -> str:
        """Return the study's hash."""
        ...

    @property
    def case_ids(self) -> Sequence[str]:
        """Return the ids of the audited cases."""
        ...

    def raw_batch(
        self, fields: Sequence[Field], case_ids: Sequence[str]
    ) -> tuple[Batch, list[str], list[Skipped]]:
        """Return raw values of the cases that could be opened, their ids, and the others."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Prepared rows of a cohort.

    Attributes:
        id: Name, hash and size, as they stand in every explanation.
        case_ids: Which cases.
        prepared: Field name -> rows as the model takes them.
        raw: Field name -> rows as the study gives them, table inputs only.
    """

    id: BackgroundId
    case_ids: tuple[str, ...]
    prepared: Mapping[str, Any]
    raw: Mapping[str, pd.DataFrame]

    def others(self, case: str) -> npt.NDArray[np.bool_]:
        """Return which rows are not the case itself, (n,): nobody lies outside of themselves."""
        return np.array([one != case for one in self.case_ids], dtype=bool)


def audit_background(
    study: CaseSource,
    adapter: ModelAdapter,
    *,
    rows: int | None = None,
    seed: int = 0,
    cohort: str = "all",
    case: str | None = None,
) -> Background:
    """Draw a background from a named cohort of the audited cases.

    Args:
        study: The study.
        adapter: The model that prepares the rows.
        rows: How many; default 100 for tables, 50 for measurements over time, 16 for models with
            an image. A study with fewer usable cases gives all of them, and the name says so.
        seed: Seed of the draw.
        cohort: Name of the cohort, see :mod:`~audits.explanations.reference_cohorts`.
        case: The patient that is compared, for cohorts of those who are alike.

    Raises:
        ExplanationError: If there is no such cohort, or none of its cases can be used.
    """
    wanted = rows or default_rows(adapter)
    pool = reference_cohort(study, cohort, case)
    shipped = _shipped(study, adapter, pool.case_ids)
    order = np.random.default_rng(seed).permutation(len(shipped))
    shuffled = [shipped[index] for index in order]
    used: list[str] = []
    batches: list[Mapping[str, Any]] = []
    raws: list[Batch] = []
    for start in range(0, len(shuffled), wanted):
        raw, usable, _ = study.raw_batch(adapter.inputs, shuffled[start : start + wanted])
        scored = _scored(adapter, raw, usable)
        if scored is not None:
            batches.append(scored[0])
            raws.append(scored[1])
            used.extend(scored[2])
        if len(used) >= wanted:
            break
    if not used:
        raise ExplanationError(
            f"background: study {study.name!r} has no case whose inputs {adapter.card.key} can "
            f"use among its {pool.words}; ship the inputs of some cases or use another cohort"
        )
    kept = tuple(used[:wanted])
    prepared = {
        field.name: _joined([batch[field.name] for batch in batches])[:wanted]
        for field in adapter.inputs
    }
    which = "" if len(shuffled) == len(pool.case_ids) else " with shipped inputs"
    name = (
        f"{len(kept):,} of {len(shuffled):,} {pool.words}{which} of {study.name} {study.version}, "
        f"seed {seed}"
    )
    digest = _digest(study, kept)
    identity = BackgroundId(name=name, sha256=digest, n=len(kept), cohort=pool.cohort)
    return Background(
        id=identity, case_ids=kept, prepared=prepared, raw=_tables(adapter, raws, wanted)
    )


def _scored(
    adapter: ModelAdapter, raw: Batch, usable: list[str]
) -> tuple[Mapping[str, Any], Batch, list[str]] | None:
    """Prepare cases; of a model of one table those without a score are left out.

    One background row without a score would leave every effect without a value.
    """
    if not usable:
        return None
    prepared = adapter.prepare(raw)
    if [field.modality for field in adapter.inputs] != ["table"]:
        return prepared, raw, usable
    keep = np.flatnonzero(np.isfinite(adapter.predict(prepared)).all(axis=1))
    if len(keep) == len(usable):
        return prepared, raw, usable
    if len(keep) == 0:
        return None
    some = {name: value[keep] for name, value in prepared.items()}
    rows = {name: value.iloc[keep] for name, value in raw.items()}
    return some, rows, [usable[place] for place in keep]


def default_rows(adapter: ModelAdapter) -> int:
    """Return how many rows of background a model is explained against."""
    modalities = {field.modality for field in adapter.inputs}
    if modalities & {"image", "signal"}:
        return IMAGE_ROWS
    return SEQUENCE_ROWS if "sequence" in modalities else DEFAULT_ROWS


def _tables(adapter: ModelAdapter, raws: list[Batch], rows: int) -> dict[str, pd.DataFrame]:
    """Return the variables of the drawn cases as the study gives them."""
    import pandas as pd

    names = [field.name for field in adapter.inputs if field.modality == "table"]
    return {name: pd.concat([raw[name] for raw in raws]).iloc[:rows] for name in names}


def _shipped(study: CaseSource, adapter: ModelAdapter, pool: Sequence[str]) -> Sequence[str]:
    """Return the cases whose inputs are there, without opening them where the study can tell."""
    ask = getattr(study, "available", None)
    if ask is None:
        return pool
    there: Sequence[bool] = ask(adapter.inputs)
    shipped = {case for case, here in zip(study.case_ids, there, strict=True) if here}
    return [case for case in pool if case in shipped]


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import torch

    return torch.cat(parts)


def _digest(study: CaseSource, case_ids: Sequence[str]) -> str:
    """Return the sha256 of the study's hash and the ids: the same cohort for every model."""
    return hashlib.sha256("\n".join([study.sha256, *case_ids]).encode()).hexdigest()


def as_array(value: Any) -> npt.NDArray[Any]:
    """Return an array on the host of a tensor or an array."""
    return value if isinstance(value, np.ndarray) else np.asarray(value.detach().cpu().numpy())
