"""What a person writes in ``study.toml``, checked before anything else is opened."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from audits.errors import StudyError

Scope = Literal["same_source_test", "external", "local"]
Sampling = Literal["as_seen", "enriched"]
GroupKind = Literal["demographic", "site", "clinical"]
InputKind = Literal["png", "jpeg", "dicom", "nifti", "signal"]
LabelTask = Literal[
    "binary", "multiclass", "ordinal", "regression", "survival", "segmentation", "detection"
]
Positive: TypeAlias = bool | int | float | str

STUDY_FILE = "study.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySection(_Section):
    """``[study]``: what the folder is."""

    name: str
    version: str
    description: str = ""
    licence: str = ""


class CasesSection(_Section):
    """``[cases]``: one row per case."""

    table: str
    id: str = "case_id"
    patient: str | None = None
    time: str | None = None
    split: str | None = None
    audit_split: str | None = None
    scope: Scope = "same_source_test"
    weight: str | None = None
    sampling: Sampling = "as_seen"


class StaysSection(_Section):
    """``[stays]``: predictions that repeat while a patient stays, and when the event was.

    Attributes:
        stay: Column of the stay.
        at: Column of the time of the prediction.
        event: Column of the time of the stay's event, empty where there was none.
        window: How long before the event an alarm counts as its warning.
        silence: How long an alarm silences later ones.
        unit: Unit of the times.
    """

    stay: str
    at: str
    event: str
    window: Annotated[float, Field(gt=0)]
    silence: Annotated[float, Field(ge=0)] = 0.0
    unit: Literal["min", "h", "d"] = "h"


class LabelSection(_Section):
    """``[labels.NAME]``: one finding or outcome.

    ``task`` is ``binary`` unless the column holds classes (``positive`` against the rest),
    numbers, the event of a time (``survival``, with ``time``), or file names of masks
    (``segmentation``).
    """

    column: str
    positive: Positive = 1
    task: LabelTask = "binary"
    time: str | None = None
    horizon: Annotated[float, Field(gt=0)] | None = None
    unit: str | None = None

    @model_validator(mode="after")
    def _with_time(self) -> Self:
        if (self.task == "survival") != (self.time is not None):
            raise ValueError('a label of task "survival" names its time column, and no other does')
        if self.horizon is not None and self.time is None:
            raise ValueError("a horizon belongs to a survival label")
        return self


class GroupSection(_Section):
    """``[groups.NAME]``: an attribute whose levels are compared."""

    column: str
    bands: tuple[float, ...] = ()
    kind: GroupKind = "demographic"
    levels: tuple[str, ...] = ()


class InputSection(_Section):
    """``[inputs.NAME]``: one modality, in exactly one of four shapes.

    Image or signal: ``column`` and ``kind``; table: ``variables``; sequence: ``table``; text:
    ``column``. ``rate``, ``leads`` and ``unit`` say of signals what their files do not.
    """

    column: str | None = None
    kind: InputKind | None = None
    mask_column: str | None = None
    mask_columns: dict[str, str] = {}
    boxes: str | None = None
    anatomy_mask_column: str | None = None
    marker_mask_column: str | None = None
    variables: str | None = None
    table: str | None = None
    rate: float | None = None
    leads: tuple[str, ...] = ()
    unit: str = ""

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if self.kind is not None and self.column is None:
            raise ValueError("an input with a kind needs the column that holds its file names")
        if self.column is None and self.variables is None and self.table is None:
            raise ValueError("an input needs one of column, variables or table")
        if self.column is not None and (self.variables or self.table):
            raise ValueError("column stands alone; variables and table belong to another input")
        if (self.mask_fields or self.boxes) and self.kind is None:
            raise ValueError("masks and boxes belong to an image input, which needs a kind")
        if self.kind != "signal" and (self.rate is not None or self.leads or self.unit):
            raise ValueError("rate, leads and unit belong to an input of kind signal")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("rate is samples per second, a number above 0")
        return self

    @property
    def mask_fields(self) -> tuple[str, ...]:
        """Columns of the cases table that name mask files, each once."""
        found = (
            self.mask_column,
            *self.mask_columns.values(),
            self.anatomy_mask_column,
            self.marker_mask_column,
        )
        return tuple(dict.fromkeys(name for name in found if name))


class StudySpec(_Section):
    """The whole ``study.toml``."""

    study: StudySection
    cases: CasesSection
    labels: dict[str, LabelSection] = {}
    groups: dict[str, GroupSection] = {}
    inputs: dict[str, InputSection] = {}
    stays: StaysSection | None = None


def load_spec(folder: Path) -> StudySpec:
    """Read and check ``study.toml``.

    Raises:
        StudyError: If the file is missing, is not TOML or says something the format does not know.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        raise StudyError(
            f"{folder}: expected a study folder, found no {STUDY_FILE} in it; "
            "give the folder that holds it."
        )
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: this is not valid TOML ({error}); correct that line.") from None
    try:
        return StudySpec.model_validate(data)
    except ValidationError as error:
        raise StudyError(f"{path}: {_sentence(error.errors()[0])}") from None


def _sentence(detail: ErrorDetails) -> str:
    """Say one pydantic error in words: key, what was found, what to do."""
    where = ".".join(str(part) for part in detail["loc"] if part != "str")
    if detail["type"] == "extra_forbidden":
        hint = did_you_mean(str(detail["loc"][-1]), _known_keys(detail["loc"][:-1]))
        return f"{where} is not a key of the study format; rename or remove it{hint}."
    if detail["type"] == "missing":
        return f"{where} is missing; add it."
    message = detail["msg"].removeprefix("Value error, ")
    found = "" if isinstance(detail["input"], dict) else f", found {detail['input']!r}"
    return f"{where}: {message[0].lower()}{message[1:]}{found}; correct it."


def _known_keys(parents: tuple[int | str, ...]) -> tuple[str, ...]:
    """Names of the keys that may stand under a dotted path."""
    if not parents:
        return tuple(StudySpec.model_fields)
    annotation = StudySpec.model_fields[str(parents[0])].annotation
    section = (get_args(annotation) or (annotation,))[-1]
    if isinstance(section, type) and issubclass(section, BaseModel):
        return tuple(section.model_fields)
    return ()


def did_you_mean(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, else an empty string."""
    folded = {str(candidate).casefold(): str(candidate) for candidate in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""
