"""What a model said about a cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audits.types import Finding, Skipped
from model_adapters.base import OutputSpec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortMaps:
    """Low-resolution maps of the cases that were run, from the forward pass that scored them.

    Attributes:
        method: Which method made them.
        layer: Module they were read at, or None.
        field: The model's input they belong to.
        rows: int64 (m,), positions in the predictions' ``case_ids``.
        values: float32 (m, outputs, *grid), signed.
    """

    method: str
    layer: str | None
    field: str
    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortPredictions:
    """Scores of every usable case of a study, in the study's order.

    Attributes:
        key: ``id@version`` of the model.
        output: The model's outputs.
        case_ids: Cases with a score (n).
        rows: int64 (n,), positions in the study's ``case_ids``.
        scores: float64 (n, outputs) in ``output.space``.
        probabilities: float64 (n, outputs), or None where the space has none.
        precomputed: True where the score came with the model folder because the case's inputs are
            not shipped (n,).
        maps: Maps of the cases that were run, or None.
        skipped: Cases without a score, and why.
        findings: What the reader of the run must know.
        sha256: Hash of everything the scores depend on; names the cache entry.
        from_cache: Whether they were computed earlier.
    """

    key: str
    output: OutputSpec
    case_ids: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64] | None
    precomputed: npt.NDArray[np.bool_]
    maps: CohortMaps | None
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]
    sha256: str
    from_cache: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self.output.names
