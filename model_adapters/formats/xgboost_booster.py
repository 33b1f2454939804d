"""XGBoost models in JSON or UBJ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import Prepared
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.formats.tabular import check_columns, the_table
from model_adapters.manifest import Manifest
from model_adapters.schema import CategoryEncoding
from model_adapters.spaces import columns_of, squash
from model_adapters.weights_file import verified_bytes

_LOGIT = ("binary:logistic", "binary:logitraw", "reg:logistic", "multi:softprob", "multi:softmax")
_SPACES = {
    "logit": _LOGIT,
    "probability": _LOGIT,
    "log_hazard": ("survival:cox",),
    "value": ("reg:", "count:", "survival:aft", "rank:"),
}


class XGBoostAdapter(DeclaredModel):
    """A booster with its own exact path-dependent contributions."""

    def __init__(self, manifest: Manifest, booster: Any) -> None:
        super().__init__(manifest, caps=frozenset({"tree"}))
        self._booster = booster
        self._field, table = the_table(manifest)
        self._types = [
            "c" if isinstance(e, CategoryEncoding) and e.encode == "code" and at == 0 else "q"
            for e, feature in zip(table.encodings, self.inputs[0].features, strict=True)
            for at, _ in enumerate(feature.columns)
        ]
        check_columns(
            manifest,
            self.preprocessing.columns(self._field),
            n=booster.num_features(),
            names=booster.feature_names,
        )

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``; logits and log-hazards are the margin."""
        space = self.output.space
        margin = self._booster.predict(self._matrix(prepared), output_margin=space != "value")
        values: npt.NDArray[np.float64] = columns_of(
            np.asarray(margin, dtype=np.float64), self.output, squashed=False
        )
        if space == "probability":
            return squash(values, exclusive=self.output.task == "multiclass")
        return values

    def native_contributions(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return path-dependent Shapley contributions to the margin (n, outputs, columns), base.

        Exact for the path-dependent estimand (Lundberg et al. 2020); they and the base (outputs,)
        add up to the margin, whatever the declared space.
        """
        out = self._booster.predict(self._matrix(prepared), pred_contribs=True)
        values = np.asarray(out, dtype=np.float64)
        if values.ndim == 2:  # noqa: PLR2004 - one output has no axis of its own
            values = values[:, np.newaxis, :]
        base = values[0, :, -1] if len(values) else np.zeros(values.shape[1])
        return values[:, :, :-1], base

    def trees(self) -> Mapping[str, Any]:
        """Return the booster as XGBoost's own JSON, parsed: splits, leaves and categories."""
        model: Mapping[str, Any] = json.loads(bytes(self._booster.save_raw("json")))
        return model

    def _matrix(self, prepared: Prepared) -> Any:
        import xgboost

        return xgboost.DMatrix(
            np.asarray(prepared[self._field], dtype=np.float32),
            feature_names=self._booster.feature_names,
            feature_types=self._types,
            enable_categorical=True,
        )


def load_xgboost(manifest: Manifest, device: str) -> XGBoostAdapter:  # noqa: ARG001 - trees run where the wheel runs: on the CPU
    """Open a folder of format ``xgboost``.

    Raises:
        AdapterError: If the file is not as declared, or its objective does not give the space.
    """
    where = str(manifest.path)
    data = verified_bytes(manifest, "weights")
    try:
        import xgboost
    except (ImportError, OSError) as error:
        msg = (
            f"{where}: weights.format: xgboost cannot be used here ({error}); install xgboost-cpu."
        )
        raise AdapterError(msg) from error
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(data))
        objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    except (xgboost.core.XGBoostError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        msg = f"{where}: weights.file: XGBoost cannot read it ({reason}); save the model again."
        raise AdapterError(msg) from error
    allowed = _SPACES.get(manifest.output.space, ())
    if not str(objective).startswith(allowed):
        spaces = [space for space, names in _SPACES.items() if str(objective).startswith(names)]
        msg = (
            f'{where}: model.space: "{manifest.output.space}" is not what objective {objective!r} '
            f"gives; declare one of {spaces}."
        )
        raise AdapterError(msg)
    return XGBoostAdapter(manifest, booster)
