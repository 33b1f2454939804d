"""A sample of whole patients, kept while a table is read in portions.

Patients are chosen by a hash of their key: the same ones whatever the order of the rows or the
size of a portion, and never a part of a patient. What needs rows side by side is answered on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.cohorts.groups import Attribute
from audits.cohorts.streamed import Portion
from audits.fairness import ScoredOutput

SAMPLED_ROWS = 50_000
"""Scored labels, over all outputs, that a sample is expected to hold at most."""
_MIX = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientSample:
    """Every row of the sampled patients.

    Attributes:
        patient: 64-bit key of each row's patient, (n,).
        labels: 1, 0, or -1 where missing, (outputs, n).
        scores: NaN where missing, (outputs, n).
        codes: Level of each row, (attributes, n).
        rows: Rows of the whole table.
    """

    patient: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    rows: int

    @property
    def patients(self) -> int:
        """Return the number of sampled patients."""
        return len(np.unique(self.patient))

    @property
    def whole(self) -> bool:
        """Return whether it holds every row."""
        return len(self.patient) == self.rows

    def output(
        self,
        like: ScoredOutput,
        index: int,
        attributes: Sequence[Attribute],
        *,
        named_patients: bool,
    ) -> ScoredOutput:
        """Return an output with the sampled rows.

        Args:
            like: The output without rows.
            index: Which of the table's outputs it is.
            attributes: The table's attributes.
            named_patients: Whether a patient column was declared.
        """
        patient = np.unique(self.patient, return_inverse=True)[1].reshape(-1)
        return replace(
            like,
            y=self.labels[index],
            score=self.scores[index],
            patients=patient.astype(np.int64) if named_patients else None,
            attributes=tuple(
                item.with_codes(codes) for item, codes in zip(attributes, self.codes, strict=True)
            ),
        )

    def basis(self, patients: int) -> dict[str, Any]:
        """Return what a section computed on the sample rests on.

        Args:
            patients: Patients of the whole table.
        """
        return {
            "cases": len(self.patient),
            "patients": self.patients,
            "of_cases": self.rows,
            "of_patients": patients,
            "chosen": "by a hash of the patient",
        }

    def arrays(self, index: int) -> Mapping[str, npt.NDArray[Any]]:
        """Return the sampled rows of one output as arrays, for the run's own use."""
        return {
            "sample_patient": np.unique(self.patient, return_inverse=True)[1].reshape(-1),
            "sample_label": self.labels[index],
            "sample_score": self.scores[index],
            "sample_codes": self.codes,
        }


class Sampler:
    """Keeps the rows of sampled patients, portion by portion."""

    def __init__(self, rows: int, *, outputs: int) -> None:
        """Decide which hashes are in.

        Args:
            rows: Rows that will come.
            outputs: Outputs of each row.
        """
        share = min(1.0, SAMPLED_ROWS / max(rows * outputs, 1))
        self._cut = np.uint64(min(int(share * 2.0**64), 2**64 - 1))
        self._whole = share >= 1
        self._rows = rows
        self._parts: list[tuple[npt.NDArray[Any], ...]] = []

    def add(self, portion: Portion, patient: npt.NDArray[np.uint64]) -> None:
        """Keep the rows of a portion whose patients are sampled."""
        mixed = (patient ^ (patient >> np.uint64(32))) * _MIX
        mixed = (mixed ^ (mixed >> np.uint64(32))) * _MIX
        rows = np.ones(len(patient), dtype=np.bool_) if self._whole else mixed < self._cut
        at = np.flatnonzero(rows)
        columns = (portion.labels, portion.scores, portion.codes)
        kept = [np.stack([one[at] for one in c]) if c else np.zeros((0, len(at))) for c in columns]
        self._parts.append((patient[at], *kept))

    def finish(self) -> PatientSample:
        """Return the sample."""
        patient, labels, scores, codes = (
            np.concatenate(parts, axis=-1) for parts in zip(*self._parts, strict=True)
        )
        return PatientSample(
            patient=patient,
            labels=labels.astype(np.int8),
            scores=scores.astype(np.float64),
            codes=codes.astype(np.int32),
            rows=self._rows,
        )
