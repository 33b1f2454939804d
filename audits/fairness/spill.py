"""Rows on disk, patient by patient: buckets that each hold every row of their patients.

What is summed over patients can then be summed bucket after bucket, in the memory of one bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError
from audits.fairness.types import FloatArray, IntArray

ROWS_PER_BUCKET = 500_000
_MOST_BUCKETS = 500
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Rows of some patients, ordered by patient.

    Attributes:
        y: Label, 0 or 1, (n,).
        score: float64, (n,).
        codes: Level of each row in each attribute, (attributes, n).
        patient: Patient of each row, 0 … patients - 1 within the bucket.
        patients: Patients in the bucket.
    """

    y: FloatArray
    score: FloatArray
    codes: npt.NDArray[np.int32]
    patient: IntArray
    patients: int


class Spill:
    """Rows of a table in buckets on disk, labels and scores of every output beside each other.

    Attributes:
        rows: Rows put aside.
        patients: Patients of each output, those with a row that it can use; after :meth:`sort`.
        everybody: Patients of the table.
        repeated: Patients with more than one row.
        most: Most rows of one patient.
    """

    def __init__(self, folder: Path, rows: int, *, outputs: int, attributes: int) -> None:
        """Make the folder.

        Args:
            folder: Where the buckets are written; it must not exist.
            rows: About how many rows will come.
            outputs: Outputs of each row.
            attributes: Attributes of each row.
        """
        folder.mkdir(parents=True)
        self._dtype = np.dtype(
            [
                ("patient", "u8"),
                ("score", "f8", (outputs,)),
                ("codes", "i2", (attributes,)),
                ("y", "i1", (outputs,)),
            ]
        )
        count = int(np.clip(rows // ROWS_PER_BUCKET + 1, 1, _MOST_BUCKETS))
        self._paths = [folder / f"{index:03}.rows" for index in range(count)]
        self.patients = [0] * outputs
        self.rows = self.everybody = self.repeated = self.most = 0

    def add(
        self,
        patient: npt.NDArray[np.uint64],
        labels: Sequence[npt.NDArray[np.int8]],
        scores: Sequence[FloatArray],
        codes: Sequence[npt.NDArray[np.int32]],
    ) -> None:
        """Write rows to the buckets of their patients.

        Args:
            patient: Key of each row's patient, (n,).
            labels: 1, 0, or -1 where missing, (n,) by output.
            scores: NaN where missing, (n,) by output.
            codes: Level of each row, (n,) by attribute.

        Raises:
            AuditError: The disk is full or cannot be written.
        """
        rows = np.empty(len(patient), dtype=self._dtype)
        rows["patient"] = patient
        for name, columns in (("y", labels), ("score", scores), ("codes", codes)):
            for index, values in enumerate(columns):
                rows[name][:, index] = values
        # The hash is mixed once more: plain numbers would fill few of the buckets.
        bucket = ((patient * _MIX) >> np.uint64(40)) % np.uint64(len(self._paths))
        order = np.argsort(bucket.astype(np.int16), kind="stable")
        ends = np.cumsum(np.bincount(bucket.astype(np.int64), minlength=len(self._paths)))
        rows = rows[order]
        try:
            for path, part in zip(self._paths, np.split(rows, ends[:-1]), strict=True):
                if len(part):
                    with path.open("ab") as file:
                        part.tofile(file)
        except OSError as error:
            raise AuditError(
                f"{self._paths[0].parent}: rows cannot be put aside while the table is read "
                f"({error.strerror or error}); free some disk, or set TMPDIR to another one."
            ) from None
        self.rows += len(rows)

    def sort(self) -> None:
        """Order each bucket by patient, once, and count the patients."""
        for path in self._there():
            rows = np.fromfile(path, dtype=self._dtype)
            rows = rows[np.argsort(rows["patient"], kind="stable")]
            rows.tofile(path)
            start = np.flatnonzero(_first(rows["patient"]))
            sizes = np.diff(np.append(start, len(rows)))
            self.everybody += len(start)
            self.repeated += int((sizes > 1).sum())
            self.most = max(self.most, int(sizes.max()))
            for index in range(len(self.patients)):
                used = _usable(rows, index)
                self.patients[index] += int(np.count_nonzero(np.add.reduceat(used, start)))

    def buckets(self, output: int) -> Iterator[Bucket]:
        """Return the buckets of an output, as often as asked; :meth:`sort` comes first."""
        for path in self._there():
            rows = np.fromfile(path, dtype=self._dtype)
            rows = rows[_usable(rows, output)]
            if not len(rows):
                continue
            patient = np.cumsum(_first(rows["patient"])) - 1
            yield Bucket(
                y=rows["y"][:, output].astype(np.float64),
                score=np.ascontiguousarray(rows["score"][:, output]),
                codes=np.ascontiguousarray(rows["codes"].T).astype(np.int32),
                patient=patient,
                patients=int(patient[-1]) + 1,
            )

    def _there(self) -> list[Path]:
        return [path for path in self._paths if path.is_file()]


def _first(key: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    first = np.ones(len(key), dtype=np.bool_)
    first[1:] = key[1:] != key[:-1]
    return first


def _usable(rows: npt.NDArray[np.void], output: int) -> npt.NDArray[np.bool_]:
    return np.asarray((rows["y"][:, output] >= 0) & ~np.isnan(rows["score"][:, output]))
