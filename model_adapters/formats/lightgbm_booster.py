"""LightGBM models in their text format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import Prepared
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.formats.tabular import check_columns, the_table
from model_adapters.manifest import Manifest
from model_adapters.spaces import columns_of, squash
from model_adapters.weights_file import verified_bytes

_LOGIT = ("binary", "cross_entropy", "multiclass", "multiclassova")
_VALUE = (
    "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma",
    "tweedie", "lambdarank", "rank_xendcg", "cross_entropy_lambda",
)  # fmt: skip
_SPACES = {"logit": _LOGIT, "probability": _LOGIT, "value": _VALUE}
_SIGMOID = re.compile(r"sigmoid:([0-9.eE+-]+)")


class LightGBMAdapter(DeclaredModel):
    """A booster with its own exact path-dependent contributions."""

    def __init__(self, manifest: Manifest, booster: Any, objective: str) -> None:
        super().__init__(manifest, caps=frozenset({"tree"}))
        self._booster = booster
        self._field, _ = the_table(manifest)
        steepness = _SIGMOID.search(objective)
        # LightGBM's probability is sigmoid(s * raw): the logit is s * raw, and so are its parts.
        self._steepness = float(steepness.group(1)) if steepness else 1.0
        check_columns(
            manifest,
            [name.replace(" ", "_") for name in self.preprocessing.columns(self._field)],
            n=booster.num_feature(),
            names=[name.replace(" ", "_") for name in booster.feature_name()],
        )

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``; logits are the margin."""
        if self.output.space == "value":
            return self._shaped(self._booster.predict(self._rows(prepared)))
        raw = self._booster.predict(self._rows(prepared), raw_score=True)
        logits = self._shaped(raw) * self._steepness
        if self.output.space == "probability":
            return squash(logits, exclusive=self.output.task == "multiclass")
        return logits

    def native_contributions(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return path-dependent Shapley contributions to the margin (n, outputs, columns), base.

        Exact for the path-dependent estimand (Lundberg et al. 2020); they and the base (outputs,)
        add up to the margin, whatever the declared space.
        """
        rows = self._rows(prepared)
        flat = np.asarray(self._booster.predict(rows, pred_contrib=True), dtype=np.float64)
        values = flat.reshape(len(rows), -1, rows.shape[1] + 1) * self._steepness
        base = values[0, :, -1] if len(values) else np.zeros(len(self.output.names))
        return values[:, :, :-1], base

    def trees(self) -> Mapping[str, Any]:
        """Return the booster as LightGBM's own dump, leaves in units of the logit."""
        model: dict[str, Any] = self._booster.dump_model()
        return {**model, "steepness": self._steepness}

    def _rows(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        return np.asarray(prepared[self._field], dtype=np.float64)

    def _shaped(self, values: Any) -> npt.NDArray[np.float64]:
        shaped: npt.NDArray[np.float64] = columns_of(
            np.asarray(values, dtype=np.float64), self.output, squashed=False
        )
        return shaped


def load_lightgbm(manifest: Manifest, device: str) -> LightGBMAdapter:  # noqa: ARG001 - LightGBM predicts on the CPU
    """Open a folder of format ``lightgbm``.

    Raises:
        AdapterError: If the file is not as declared, its objective does not give the space, or
            LightGBM lacks its system library.
    """
    where = str(manifest.path)
    data = verified_bytes(manifest, "weights")
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        msg = (
            f"{where}: weights.format: lightgbm cannot be used here ({error}); install lightgbm "
            "and the system library libgomp (Debian: libgomp1, macOS: brew install libomp)."
        )
        raise AdapterError(msg) from error
    try:
        booster = lightgbm.Booster(model_str=data.decode("utf-8"))
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        msg = f"{where}: weights.file: LightGBM cannot read it ({error}); save the model again."
        raise AdapterError(msg) from error
    found = re.search(rb"^objective=(.*)$", data, flags=re.MULTILINE)
    objective = found.group(1).decode("utf-8").strip() if found else "none"
    spaces = [s for s, names in _SPACES.items() if objective.split(" ", maxsplit=1)[0] in names]
    if manifest.output.space not in spaces:
        msg = (
            f'{where}: model.space: "{manifest.output.space}" is not what objective {objective!r} '
            f"gives; declare one of {spaces}."
        )
        raise AdapterError(msg)
    return LightGBMAdapter(manifest, booster, objective)
