"""Inputs that are read in order: measurements over time, and text."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from model_adapters.schema_base import Finite, PositiveFloat, PositiveInt, Section, Sha256, Text

Clock = Literal["hours", "since_first", "until_last"]
Channel = Literal["value", "measured", "since", "hour"]
CHANNELS: tuple[Channel, ...] = ("value", "measured", "since", "hour")
_MOST_STEPS = 10_000


class SequenceVariable(Section):
    """One variable of a sequence: clipped and standardised; ``impute`` stands before the first."""

    variable: Text
    mean: Finite = 0.0
    std: PositiveFloat = 1.0
    impute: Finite | None = None
    clip: tuple[Finite, Finite] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> SequenceVariable:
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            msg = f"clip is [low, high], found {list(self.clip)}; put the lower value first"
            raise ValueError(msg)
        return self


class SequenceInput(Section):
    """Irregular measurements, on a grid of steps that keeps the hour of each measurement.

    ``hours`` long from ``start`` on a clock: ``hours`` takes the study's numbers as they are,
    ``since_first`` counts from the case's first measurement, ``until_last`` ends with its last.
    In a step that holds several measurements of a variable, ``keep`` says which one counts.
    ``channels`` are what the network sees of every step: the value carried forward, whether it
    was measured in this step, the hours since (as a share of ``hours``), each for all variables
    in order, and last the hour of the step's latest measurement (as a share of ``hours``).
    """

    modality: Literal["sequence"] = "sequence"
    hours: PositiveFloat
    step: PositiveFloat = 1.0
    start: Finite = 0.0
    clock: Clock = "hours"
    time_unit: Literal["s", "min", "h", "d"] = "h"
    keep: Literal["last", "mean"] = "last"
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] = CHANNELS
    variables: Annotated[tuple[SequenceVariable, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> SequenceInput:
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError("variables names one variable twice; name each once")
        if list(self.channels) != [name for name in CHANNELS if name in self.channels]:
            msg = (
                f"channels are some of {list(CHANNELS)} in this order, each once, found "
                f"{list(self.channels)}; reorder them"
            )
            raise ValueError(msg)
        if self.steps > _MOST_STEPS:
            msg = f"hours / step makes {self.steps} steps, at most {_MOST_STEPS}; widen step"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the variables' names, in order."""
        return tuple(one.variable for one in self.variables)

    @property
    def steps(self) -> int:
        """Return how many steps the grid has."""
        return max(1, round(self.hours / self.step))

    @property
    def width(self) -> int:
        """Return how many numbers the network sees of each step."""
        whole = len(self.variables)
        return sum(1 if name == "hour" else whole for name in self.channels)


class TextInput(Section):
    """A text, as numbers of a vocabulary.

    ``vocabulary`` is a JSON file in the model folder: ``{"tokens": [...]}``, where position 0 is
    padding and 1 the unknown word. With ``buckets`` an unknown word takes one of so many further
    numbers by its CRC-32 instead. A text longer than ``max_tokens`` is cut at its end; Hugging
    Face models bring a tokenizer of their own instead of a vocabulary.
    """

    modality: Literal["text"] = "text"
    max_tokens: PositiveInt
    vocabulary: Text | None = None
    vocabulary_sha256: Sha256 | None = None
    buckets: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> TextInput:
        if (self.vocabulary is None) != (self.vocabulary_sha256 is None):
            raise ValueError("vocabulary and vocabulary_sha256 go together; give both or neither")
        return self
