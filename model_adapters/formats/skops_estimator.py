"""scikit-learn estimators through skops, which opens only types that are known to be safe."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import Capability, Prepared
from model_adapters.errors import AdapterError, UnsafeFormatError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.formats.tabular import the_table
from model_adapters.formats.tree_safety import trees_are_sound
from model_adapters.manifest import Manifest
from model_adapters.schema import CategoryEncoding
from model_adapters.spaces import columns_of, log_odds
from model_adapters.weights_file import verified_bytes

# Beyond what skops itself trusts: plain containers of fitted numbers. The two kinds of tree are
# checked index by index after they were opened.
TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
# Estimators whose decision function is the logit of their probability, without its rounding.
_LOGIT_DECISION = frozenset(
    {
        "LogisticRegression",
        "LogisticRegressionCV",
        "HistGradientBoostingClassifier",
        "GradientBoostingClassifier",
    }
)
# Estimators that are one sum of terms on the logit or value scale, and steps before them that
# treat every column by itself.
_LINEAR = frozenset(
    {
        "LogisticRegression",
        "LogisticRegressionCV",
        "LinearRegression",
        "Ridge",
        "RidgeCV",
        "Lasso",
        "LassoCV",
        "ElasticNet",
        "ElasticNetCV",
    }
)
_COLUMNWISE = frozenset(
    {
        "ColumnTransformer",
        "MaxAbsScaler",
        "MinMaxScaler",
        "OneHotEncoder",
        "OrdinalEncoder",
        "RobustScaler",
        "SimpleImputer",
        "StandardScaler",
    }
)
_SHOWN = 6


class SkopsAdapter(DeclaredModel):
    """A scikit-learn estimator or pipeline."""

    def __init__(self, manifest: Manifest, estimator: Any, notes: tuple[str, ...]) -> None:
        super().__init__(manifest, caps=_capabilities(estimator))
        self._estimator = estimator
        self.notes = notes
        self._field, self._table = the_table(manifest)
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        self._logit_decision = type(last).__name__ in _LOGIT_DECISION

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``.

        Logits are the estimator's own where it has them, else the log-odds of its probabilities,
        which are held within about 37 of 0.
        """
        rows = self._rows(prepared)
        space = self.output.space
        if space == "value":
            return self._shaped(self._estimator.predict(rows), squashed=False)
        if space == "logit" and self._logit_decision:
            return self._shaped(self._estimator.decision_function(rows), squashed=False)
        probability = self._shaped(_probabilities(self._estimator, rows), squashed=True)
        if space == "probability":
            return probability
        return log_odds(probability, exclusive=self.output.task == "multiclass")

    def _rows(self, prepared: Prepared) -> Any:
        """Return the encoded array, or the DataFrame a pipeline does its own encoding on."""
        values = np.asarray(prepared[self._field], dtype=np.float64)
        if not self._table.as_frame:
            return values
        import pandas as pd

        columns: dict[str, Any] = {}
        for at, encoding in enumerate(self._table.encodings):
            column = values[:, at]
            if isinstance(encoding, CategoryEncoding):
                names = np.asarray([*encoding.level_names, np.nan], dtype=object)
                missing = len(names) - 1
                code = np.where(np.isnan(column), missing, column).astype(np.intp)
                columns[encoding.feature] = names[code]
            else:
                columns[encoding.feature] = column
        return pd.DataFrame(columns)

    def _shaped(self, values: Any, *, squashed: bool) -> npt.NDArray[np.float64]:
        shaped: npt.NDArray[np.float64] = columns_of(
            np.asarray(values, dtype=np.float64), self.output, squashed=squashed
        )
        return shaped


def load_skops(manifest: Manifest, device: str) -> SkopsAdapter:  # noqa: ARG001 - scikit-learn runs on the CPU
    """Open a folder of format ``skops``.

    Raises:
        UnsafeFormatError: If the file holds types that are not on the allow-list; they are named,
            and never trusted on the file's own word.
        AdapterError: If the file is not as declared, or the estimator cannot give the space.
    """
    where = str(manifest.path)
    data = verified_bytes(manifest, "weights")
    _check_table(manifest)
    estimator, notes = _open(data, where)
    if not trees_are_sound(estimator):
        msg = (
            f"{where}: weights.file: holds a tree that points outside of itself, which could read "
            "foreign memory; save the model again from its source."
        )
        raise UnsafeFormatError(msg)
    needed = "predict" if manifest.output.space == "value" else "predict_proba"
    if not hasattr(estimator, needed):
        msg = (
            f"{where}: model.space: {type(estimator).__name__} has no {needed}, which "
            f'"{manifest.output.space}" needs; declare another space or calibrate the estimator.'
        )
        raise AdapterError(msg)
    return SkopsAdapter(manifest, estimator, notes)


def _open(data: bytes, where: str) -> tuple[Any, tuple[str, ...]]:
    try:
        from skops.io import get_untrusted_types, loads
        from skops.io.exceptions import UntrustedTypesFoundException
    except (ImportError, OSError) as error:
        msg = f"{where}: weights.format: skops cannot be used here ({error}); pip install skops."
        raise AdapterError(msg) from error

    try:
        untrusted = [t for t in get_untrusted_types(data=data) if t not in TRUSTED_TYPES]
        if not untrusted:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                estimator = loads(data, trusted=list(TRUSTED_TYPES))
            return estimator, tuple(sorted({str(w.message).split("\n")[0] for w in caught}))
    except UntrustedTypesFoundException as error:
        raise UnsafeFormatError(f"{where}: weights.file: {error}") from error
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        msg = f"{where}: weights.file: skops cannot read it ({reason}); save the model again."
        raise AdapterError(msg) from error
    shown = ", ".join(sorted(untrusted)[:_SHOWN])
    msg = (
        f"{where}: weights.file: holds {len(untrusted)} types that Auscult does not trust "
        f"({shown}); use estimators of scikit-learn only, or export the model to ONNX."
    )
    raise UnsafeFormatError(msg)


def _capabilities(estimator: Any) -> frozenset[Capability]:
    """Return ``linear`` where scores are a sum of terms; whoever relies on it tests the sum."""
    steps = [step for _, step in getattr(estimator, "steps", [(None, estimator)])]
    columnwise = {type(step).__name__ for step in steps[:-1]} <= _COLUMNWISE
    linear = columnwise and type(steps[-1]).__name__ in _LINEAR
    return frozenset({"linear"}) if linear else frozenset()


def _check_table(manifest: Manifest) -> None:
    field, table = the_table(manifest)
    if not table.as_frame:
        return
    for at, encoding in enumerate(table.encodings):
        wide = isinstance(encoding, CategoryEncoding) and encoding.encode == "onehot"
        if wide or encoding.indicator:
            msg = (
                f"{manifest.path}: inputs.{field}.encoding[{at}]: with as_frame the pipeline "
                'encodes by itself; declare categories with encode = "code" and no indicator.'
            )
            raise AdapterError(msg)


def _probabilities(estimator: Any, rows: Any) -> npt.NDArray[np.float64]:
    """Return (n, classes); for several labels the probability of the last class of each."""
    out = estimator.predict_proba(rows)
    if isinstance(out, list):
        return np.stack([np.asarray(label)[:, -1] for label in out], axis=1)
    return np.asarray(out, dtype=np.float64)
