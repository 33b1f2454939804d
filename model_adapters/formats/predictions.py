"""A model nobody hands over: only its scores are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_adapters.base import Batch, Field, Prepared
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.formats.scores import CASE_ID, read_scores
from model_adapters.manifest import Manifest


class PredictionsAdapter(DeclaredModel):
    """Looks scores up by case id."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(manifest)
        self.inputs = (Field(name=CASE_ID, modality="case_id"),)
        self._table = read_scores(manifest, "weights")

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Return the cases that have a score, in the file's order."""
        return tuple(self._table.case_ids.tolist())

    def prepare(self, raw: Batch) -> Prepared:
        """Return the case ids as text.

        Raises:
            AdapterError: If the batch brings no case ids.
        """
        if CASE_ID not in raw:
            msg = f"inputs: this model only brings scores by {CASE_ID}, found {sorted(raw)}."
            raise AdapterError(msg)
        return {CASE_ID: np.asarray([str(case) for case in raw[CASE_ID]], dtype=np.str_)}

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return the scores (n, outputs).

        Raises:
            AdapterError: If a case has none; ``precomputed`` tells which ones have.
        """
        cases = prepared[CASE_ID].tolist()
        there, values = self._table.lookup(cases)
        if not there.all():
            first = cases[int(np.argmin(there))]
            msg = (
                f"{self.manifest.path}: weights.file: has no score for {int((~there).sum())} of "
                f"{len(cases)} cases (the first: {first!r}); add them or leave these cases out."
            )
            raise AdapterError(msg)
        return values

    def precomputed(
        self, case_ids: Sequence[str]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Return which cases have a score (n,), and the scores (n, outputs)."""
        return self._table.lookup(case_ids)


def load_predictions(manifest: Manifest, device: str) -> PredictionsAdapter:  # noqa: ARG001 - one signature for all formats
    """Open a folder of format ``predictions``."""
    return PredictionsAdapter(manifest)
