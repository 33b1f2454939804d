"""What a model is to Auscult: typed inputs and outputs, identity and capabilities.

An adapter is any object with the members of :class:`ModelAdapter`; no inheritance is asked for.
Everything an adapter can do beyond predicting is announced in ``caps`` and given by one of the
optional protocols below, so a black box with only ``predict`` still gets every explanation that
needs no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

Task = Literal[
    "binary",
    "multilabel",
    "multiclass",
    "ordinal",
    "regression",
    "survival",
    "segmentation",
    "detection",
    "anomaly",
]
Space = Literal["logit", "probability", "value", "log_hazard", "survival"]
Modality = Literal["image", "table", "sequence", "signal", "text", "case_id"]
Capability = Literal[
    "grad",  # forward() is differentiable with respect to the prepared tensors
    "layers",  # module() gives a torch module whose layers can be tapped
    "tree",  # native_contributions() gives exact path-dependent contributions
    "linear",  # scores are a sum of one term per variable on the explained scale
    "embeddings",
    "remote",
]

Batch = Mapping[str, Any]
"""Field name -> raw values of n cases, by modality:

* image: list of n :class:`ImageValue`
* signal: list of n :class:`SignalValue`
* sequence: list of n pandas DataFrames with ``time``, ``variable`` and ``value``
* text: list of n strings
* table: pandas DataFrame, n rows, one column per feature, in units of the study (NaN = missing)
* case_id: array of n strings (models that only bring predictions)
"""

Prepared = Mapping[str, Any]
"""Field name -> what the model itself takes, n first: float32 tensors or float arrays.

A sequence is (n, steps, variables, 2), value and hour, NaN where nothing was measured; a text is
int64 (n, tokens). Replacing a cell by NaN, or a token by padding, leaves it out.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageValue:
    """One image as a model may receive it, in modality units.

    Attributes:
        pixels: float32, (H, W), (H, W, C) for colour or (D, H, W) for a volume.
        low: Value shown black; with ``high`` it defines the 0-1 scale that models declare.
        high: Value shown white.
        colour: True where the last axis is a colour channel.
    """

    pixels: npt.NDArray[np.float32]
    low: float
    high: float
    colour: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalValue:
    """One recording over time, such as a 12-lead ECG.

    Attributes:
        values: float32 (leads, samples), in ``unit``.
        rate: Samples per second.
        leads: Name of each lead.
        unit: Unit of the values, for example mV, or empty.
    """

    values: npt.NDArray[np.float32]
    rate: float
    leads: tuple[str, ...]
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A clinical variable: the unit of attribution (one Shapley player).

    Attributes:
        name: Column in the study's table.
        label: Words a clinician uses.
        kind: How its values are read.
        unit: UCUM unit, or None.
        code: LOINC, SNOMED or RxNorm code, or None.
        normal: Reference range in ``unit``, or None.
        levels: Known categories of a categorical variable.
        protected: Measures a protected basis (race, sex, age, ...).
        actionable: Can be acted on.
        group: What it belongs to where there are very many, such as a gene, or None.
        direction: The only direction in which it can be moved, or None for both.
        columns: Every encoded column it owns (value, missing indicator, one-hot levels).
    """

    name: str
    label: str
    kind: Literal["numeric", "category"] = "numeric"
    unit: str | None = None
    code: str | None = None
    normal: tuple[float | None, float | None] | None = None
    levels: tuple[str, ...] = ()
    protected: bool = False
    actionable: bool = False
    direction: Literal["up", "down"] | None = None
    group: str | None = None
    columns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeGrid:
    """The steps on which a sequence is read.

    Attributes:
        hours: Length of the window.
        step: Hours of one step.
        start: Hour of the window's start on the study's clock (clock ``hours``).
        clock: ``hours`` (the study's own numbers), ``since_first`` or ``until_last``.
        unit: Hours of one unit of the study's numeric times.
    """

    hours: float
    step: float
    start: float = 0.0
    clock: str = "hours"
    unit: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTokens:
    """What a model reads of a text.

    Attributes:
        ids: Numbers of the tokens, as the model takes them.
        spans: First and behind-last character of each token in the text; (0, 0) for a token of
            the model's own, such as the one a text begins with.
        total: Tokens the whole text has; more than ``ids`` where it was cut.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input of the model, that is, one modality.

    Attributes:
        name: What the model calls it.
        modality: What it is.
        shape: Of one prepared case.
        features: Clinical variables of a table or a sequence.
        grid: The steps of a sequence, else None.
    """

    name: str
    modality: Modality
    shape: tuple[int | None, ...] = ()
    features: tuple[Feature, ...] = ()
    grid: TimeGrid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """What the model returns.

    Attributes:
        task: Kind of prediction.
        names: One per output column; joined to the study's labels by name.
        space: Scale of ``predict``'s return value.
        thresholds: One per name on the probability (or value) scale, or None.
        thresholds_chosen_on: sha256 of the study the thresholds were chosen on, or None.
    """

    task: Task
    names: tuple[str, ...]
    space: Space
    thresholds: tuple[float, ...] | None = None
    thresholds_chosen_on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Who and what the model is; hashed into every report."""

    id: str
    version: str
    weights_sha256: str
    manifest_sha256: str
    format: str
    declared: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``id@version``: how a run names the model."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLayer:
    """Where a spatial map is read.

    Attributes:
        name: Dotted module name.
        source: Whether the model declared it or Auscult found it.
        grid: Spatial shape of the layer's output for the model's own input size, if known.
    """

    name: str
    source: Literal["declared", "found"]
    grid: tuple[int, ...] = ()


@runtime_checkable
class ModelAdapter(Protocol):
    """A model that can be audited.

    ``predict`` is deterministic and row-independent: batch composition never changes a row.
    """

    @property
    def card(self) -> ModelCard:
        """Return the identity."""
        ...

    @property
    def inputs(self) -> tuple[Field, ...]:
        """Return the typed inputs."""
        ...

    @property
    def output(self) -> OutputSpec:
        """Return the typed outputs."""
        ...

    @property
    def caps(self) -> frozenset[Capability]:
        """Return what the model can do beyond predicting."""
        ...

    @property
    def device(self) -> str:
        """Return ``cpu``, ``cuda`` or ``mps``."""
        ...

    def prepare(self, raw: Batch) -> Prepared:
        """Apply the model's own preprocessing: pure, deterministic, raw values to tensors."""
        ...

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``; no gradient, model state untouched."""
        ...


class Differentiable(Protocol):
    """Offered with the capability ``grad``."""

    def forward(self, prepared: Prepared) -> torch.Tensor:
        """Return (n, outputs) in ``output.space``, differentiable, in evaluation mode."""
        ...


class Layered(Protocol):
    """Offered with the capability ``layers``."""

    def module(self) -> torch.nn.Module:
        """Return the underlying module, in evaluation mode on ``device``."""
        ...

    def target_layer(self) -> TargetLayer | None:
        """Return the declared layer for maps, or None where it must be found."""
        ...


class NativeContributions(Protocol):
    """Offered with the capability ``tree``."""

    def native_contributions(
        self, prepared: Prepared
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return exact path-dependent contributions (n, outputs, columns) and base (outputs,)."""
        ...


@runtime_checkable
class Tokenised(Protocol):
    """Offered by adapters with a text input: which characters each token stands for."""

    def tokens_of(self, field_name: str, text: str) -> TextTokens:
        """Return what the model reads of a text."""
        ...

    def padding_of(self, field_name: str) -> int:
        """Return the token number that leaves a token out."""
        ...


class Precomputed(Protocol):
    """Offered by adapters that bring scores of cases whose inputs are not shipped."""

    def precomputed(
        self, case_ids: Sequence[str]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
        """Return which cases have a score (n,), and the scores (n, outputs) in ``output.space``."""
        ...
