"""The sections of ``model.toml`` as pydantic models: every key, its type and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag, model_validator

from model_adapters.base import Space, Task
from model_adapters.schema_base import Finite, PositiveFloat, PositiveInt, Section, Sha256, Text
from model_adapters.schema_time import SequenceInput, TextInput

Format = Literal[
    "safetensors", "onnx", "xgboost", "lightgbm", "skops", "hf", "predictions", "remote"
]
Scale = Literal["0-1", "-1-1", "0-255", "raw"]
Resize = Literal["stretch", "fit"]


class ModelSection(Section):
    """``[model]``: identity and outputs."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
    task: Task
    outputs: Annotated[tuple[Text, ...], Field(min_length=1)]
    space: Space
    thresholds: tuple[Finite, ...] | None = None
    thresholds_chosen_on: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ModelSection:
        if len(set(self.outputs)) != len(self.outputs):
            msg = f"outputs names one output twice, found {list(self.outputs)}; give each one name"
            raise ValueError(msg)
        if self.task == "binary" and len(self.outputs) != 1:
            msg = (
                f"a binary task has one output, found {len(self.outputs)}; name the positive class "
                'only, or declare task = "multilabel" or "multiclass"'
            )
            raise ValueError(msg)
        if self.thresholds is None:
            return self
        if len(self.thresholds) != len(self.outputs):
            msg = (
                f"thresholds must give one number per output, found {len(self.thresholds)} for "
                f"{len(self.outputs)} outputs; give them in the order of outputs"
            )
            raise ValueError(msg)
        if self.space in {"logit", "probability"} and not all(0 <= t <= 1 for t in self.thresholds):
            msg = (
                f"thresholds stand on the probability scale, found {list(self.thresholds)}; give "
                "numbers in [0, 1]"
            )
            raise ValueError(msg)
        return self


class WeightsSection(Section):
    """``[weights]``: the file that is the model, and its hash.

    ``output`` names the output of an ONNX graph that has several; ``external`` lists, with their
    hashes, the further files of the model: the data files an ONNX graph keeps its tensors in, or
    the configuration and tokenizer of a Hugging Face folder.
    """

    format: Format
    file: Text
    sha256: Sha256
    output: Text | None = None
    external: Mapping[str, Sha256] = {}


class LayerSection(Section):
    """One ``[[architecture.layers]]``: an allow-listed ``torch.nn`` layer."""

    type: Text
    args: Mapping[str, Any] = {}
    key: Text | None = None


class TokenSection(Section):
    """``[architecture] tokens``: where a token model's patch grid can be read."""

    layer: Text
    prefix: Annotated[int, Field(ge=0)] = 0
    grid: tuple[PositiveInt, ...]
    window: tuple[PositiveInt, ...] = ()

    @model_validator(mode="after")
    def _check_window(self) -> TokenSection:
        if len(self.window) not in {0, len(self.grid)}:
            raise ValueError(
                f"window has one number per axis of grid, found {list(self.window)} for a grid of "
                f"{list(self.grid)}"
            )
        if self.window and self.prefix:
            raise ValueError(f"prefix must be 0 where there are windows, found {self.prefix}")
        return self


class ArchitectureSection(Section):
    """``[architecture]``: the registered network the tensors belong to."""

    name: Text
    args: Mapping[str, Any] = {}
    target_layer: Text | None = None
    tokens: TokenSection | None = None
    key_map: Text | None = None
    layers: tuple[LayerSection, ...] = ()

    @model_validator(mode="after")
    def _layers_belong_to_sequential(self) -> ArchitectureSection:
        if (self.name == "sequential") != bool(self.layers):
            msg = (
                f'layers and name = "sequential" go together, found name = "{self.name}" with '
                f"{len(self.layers)} layers; declare both or neither"
            )
            raise ValueError(msg)
        return self


class ImageInput(Section):
    """An image or a volume: ``size`` in pixels, (rows, columns) or (slices, rows, columns)."""

    modality: Literal["image"] = "image"
    size: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)]
    scale: Scale = "0-1"
    mean: tuple[Finite, ...] = (0.0,)
    std: tuple[PositiveFloat, ...] = (1.0,)
    channels: Literal[1, 3] = 1
    window: tuple[Finite, Finite] | None = None
    resize: Resize = "stretch"

    @model_validator(mode="after")
    def _consistent(self) -> ImageInput:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in {1, self.channels}:
                msg = (
                    f"{name} gives one number or one per channel, found {len(values)} for "
                    f"{self.channels} channels; correct {name} or channels"
                )
                raise ValueError(msg)
        if self.window is not None and self.window[0] >= self.window[1]:
            msg = f"window is [low, high], found {list(self.window)}; put the lower value first"
            raise ValueError(msg)
        return self


class SignalInput(Section):
    """A recording over time: the leads a model takes, in its order, and how many samples.

    A recording of another rate is resampled; a longer one is cut at its end, a shorter one is
    filled with zeros. ``standardise`` gives each lead of each recording mean 0 and deviation 1;
    otherwise the declared ``mean`` and ``std`` apply, in the study's unit.
    """

    modality: Literal["signal"] = "signal"
    leads: Annotated[tuple[Text, ...], Field(min_length=1)]
    samples: PositiveInt
    rate: PositiveFloat
    mean: tuple[Finite, ...] = (0.0,)
    std: tuple[PositiveFloat, ...] = (1.0,)
    standardise: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> SignalInput:
        if len(set(self.leads)) != len(self.leads):
            msg = f"leads names one lead twice, found {list(self.leads)}; name each once"
            raise ValueError(msg)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in {1, len(self.leads)}:
                msg = (
                    f"{name} gives one number or one per lead, found {len(values)} for "
                    f"{len(self.leads)} leads; correct {name} or leads"
                )
                raise ValueError(msg)
        return self


class NumericEncoding(Section):
    """A measured variable: clipped, marked as missing, imputed and standardised, in this order."""

    feature: Text
    kind: Literal["numeric"]
    mean: Finite | None = None
    std: PositiveFloat | None = None
    impute: Finite | None = None
    indicator: bool = False
    clip: tuple[Finite, Finite] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> NumericEncoding:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std standardise together; give both or neither")
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            msg = f"clip is [low, high], found {list(self.clip)}; put the lower value first"
            raise ValueError(msg)
        return self


class CategoryEncoding(Section):
    """A category: one column per level, or one column with the level's position."""

    feature: Text
    kind: Literal["category"]
    levels: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1)] | int, ...], Field(min_length=1)
    ]
    encode: Literal["onehot", "code"] = "onehot"
    indicator: bool = False

    @property
    def level_names(self) -> tuple[str, ...]:
        """Return the levels as text, the way table values are compared with them."""
        return tuple(str(level) for level in self.levels)


Encoding = Annotated[NumericEncoding | CategoryEncoding, Discriminator("kind")]


class TableInput(Section):
    """One row per case: the study's variables and how each becomes columns.

    ``as_frame`` hands a scikit-learn pipeline a DataFrame of the declared variables, so that the
    pipeline does its own encoding.
    """

    modality: Literal["table"] = "table"
    features: Annotated[tuple[Text, ...], Field(min_length=1)]
    encoding: tuple[Encoding, ...] = ()
    as_frame: bool = False

    @model_validator(mode="after")
    def _one_encoding_per_feature(self) -> TableInput:
        if len(set(self.features)) != len(self.features):
            raise ValueError("features names one variable twice; name each once")
        named = tuple(encoding.feature for encoding in self.encoding)
        if self.encoding and named != self.features:
            odd = next(
                (f for f, n in zip(self.features, named, strict=False) if f != n),
                self.features[len(named)] if len(named) < len(self.features) else named[-1],
            )
            msg = (
                "encoding gives one entry per feature, in the order of features, found "
                f"{len(named)} entries for {len(self.features)} features, the first difference at "
                f"{odd!r}; add, remove or reorder them"
            )
            raise ValueError(msg)
        return self

    @property
    def encodings(self) -> tuple[NumericEncoding | CategoryEncoding, ...]:
        """Return one encoding per feature; undeclared ones pass numbers through."""
        if self.encoding:
            return self.encoding
        return tuple(NumericEncoding(feature=name, kind="numeric") for name in self.features)


def _modality(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return str(getattr(value, "modality", ""))
    if not isinstance(value, Mapping):
        return None
    if "modality" in value:
        return str(value["modality"])
    for key, modality in _TELLING.items():
        if key in value:
            return modality
    return "image"


_TELLING = {"leads": "signal", "features": "table", "variables": "sequence", "max_tokens": "text"}

InputSection = ImageInput | SignalInput | TableInput | SequenceInput | TextInput
_TaggedInput = Annotated[
    Annotated[ImageInput, Tag("image")]
    | Annotated[SignalInput, Tag("signal")]
    | Annotated[TableInput, Tag("table")]
    | Annotated[SequenceInput, Tag("sequence")]
    | Annotated[TextInput, Tag("text")],
    Discriminator(
        _modality,
        custom_error_type="unknown_modality",
        custom_error_message="an input is an image (size = ...), a signal (leads = [...]), a "
        "table (features = [...]), a sequence (variables = [...]) or a text (max_tokens = ...)",
    ),
]


class PrecomputedSection(Section):
    """``[precomputed]``: scores of the same weights for cases whose inputs are not shipped."""

    file: Text
    sha256: Sha256


CardSection = dict[str, Any]


class ManifestDocument(Section):
    """The whole of ``model.toml``."""

    model: ModelSection
    weights: WeightsSection
    architecture: ArchitectureSection | None = None
    inputs: Mapping[str, _TaggedInput] = {}
    precomputed: PrecomputedSection | None = None
    card: CardSection = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sections_fit_the_format(self) -> ManifestDocument:
        declared = self.weights.format
        if declared == "safetensors" and self.architecture is None:
            msg = (
                "architecture is missing, and safetensors hold tensors only; add [architecture] "
                "with the name of a registered network"
            )
            raise ValueError(msg)
        if declared != "safetensors" and self.architecture is not None:
            msg = (
                f"architecture belongs to safetensors, found format = {declared!r}; remove the "
                "section"
            )
            raise ValueError(msg)
        if declared == "predictions":
            if self.inputs:
                msg = (
                    "inputs are not read by a model that only brings predictions; remove "
                    f"[inputs.{next(iter(self.inputs))}]"
                )
                raise ValueError(msg)
        elif not self.inputs:
            msg = (
                "inputs is missing; add [inputs.NAME] with size = ..., features = [...], "
                "variables = [...] or max_tokens = ..."
            )
            raise ValueError(msg)
        return self
