"""A Parquet table of labels and scores, read in portions, so that its size does not matter.

Two readings. The first looks only at labels and groups and learns which values there are, so that
levels are those of the whole file. The second gives the rows, portion by portion, as codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.groups import Attribute, one_level_finding, read_attribute, resolve_groups
from audits.cohorts.hashes import file_sha256
from audits.cohorts.labels import LabelColumn, read_label
from audits.cohorts.spec import Positive, Scope
from audits.cohorts.table import score_values
from audits.cohorts.tables import column, text_codes
from audits.errors import StudyError
from audits.types import Finding
from model_adapters.base import Space

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PORTION = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some rows of the table.

    Attributes:
        first: Number of the first row.
        labels: int8 (n,) by output: 1, 0, or -1 where missing.
        scores: float64 (n,) by output, NaN where missing.
        codes: int32 (n,) by attribute.
        patients: 64-bit key of each row's patient, or None.
        unknown_patients: Rows without a patient, each of which is a patient of its own.
        missing: Cells without a value, by column.
    """

    first: int
    labels: tuple[npt.NDArray[np.int8], ...]
    scores: tuple[npt.NDArray[np.float64], ...]
    codes: tuple[npt.NDArray[np.int32], ...]
    patients: npt.NDArray[np.uint64] | None
    unknown_patients: int
    missing: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class StreamedTable:
    """A Parquet file of labels and scores.

    Attributes:
        path: The file.
        scope: Where the cases come from.
        space: Scale of every score.
        patient: Column of patients, or None.
        labels: Label of each distinct value of its column, one for each output.
        scores: Score columns, one for each output.
        attributes: Attribute of each distinct value of its column; groups first.
        groups: Names of the attributes declared as groups.
        intersections: Names of the attributes that are crossed.
        findings: What the reader of the run must know.
    """

    path: Path
    scope: Scope
    space: Space
    patient: str | None
    labels: tuple[LabelColumn, ...]
    scores: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    groups: tuple[str, ...]
    intersections: tuple[tuple[str, ...], ...]
    findings: tuple[Finding, ...]
    _values: dict[str, pd.Index] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Return the content hash of the file."""
        return file_sha256(self.path)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return parquet_rows(self.path)

    @property
    def columns(self) -> list[str]:
        """Return the columns in use."""
        used = [self.patient, *(label.column for label in self.labels), *self.scores]
        used += [attribute.column for attribute in self.attributes]
        return [name for name in dict.fromkeys(used) if name]

    def portions(self) -> Iterator[Portion]:
        """Return the rows in order.

        Raises:
            StudyError: A score is no number or, for probabilities, outside [0, 1].
        """
        first = 0
        for frame in _frames(self.path, self.columns):
            yield self._portion(frame, first)
            first += len(frame)

    @cached_property
    def _numbered(self) -> bool:
        """Return whether patients are whole numbers."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return bool(pa.types.is_integer(pq.read_schema(self.path).field(self.patient).type))

    def _portion(self, frame: pd.DataFrame, first: int) -> Portion:
        where = f"{self.path}, rows from {first:,}"
        places = {name: _places(index, frame[name]) for name, index in self._values.items()}
        patients, unknown = None, 0
        if self.patient is not None:
            patients, unknown = _patient_keys(frame[self.patient], first, whole=self._numbered)
        return Portion(
            first=first,
            labels=tuple(label.values[places[label.column]] for label in self.labels),  # noqa: PD011 - an array
            scores=tuple(score_values(frame, name, self.space, where) for name in self.scores),
            codes=tuple(a.codes[places[a.column]] for a in self.attributes),
            patients=patients,
            unknown_patients=unknown,
            missing={str(name): int(n) for name, n in frame.isna().sum().items()},
        )


def parquet_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer; 0 where it cannot be read."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowInvalid

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ArrowInvalid):
        return 0


def open_streamed(  # noqa: PLR0913 - mirrors the options of the command line, all by keyword
    path: Path,
    *,
    labels: Sequence[str],
    scores: Sequence[str],
    patient: str | None = None,
    groups: Sequence[str] = (),
    intersections: Sequence[Sequence[str]] = (),
    positive: Positive | Sequence[Positive] = 1,
    space: Space = "probability",
    scope: Scope = "same_source_test",
) -> StreamedTable:
    """Open a Parquet file of labels and scores of binary outputs.

    Args:
        path: The file.
        labels: Label columns.
        scores: Score columns, paired with ``labels`` in order.
        patient: Column that says which rows are the same patient.
        groups: ``COL`` or ``COL:b1,b2,…`` each.
        intersections: Lists of column names.
        positive: Value that counts as positive, one for all or one per label.
        space: Scale of the scores.
        scope: Where the cases come from.

    Raises:
        StudyError: One sentence on the first thing that cannot be used as it stands.
    """
    where, names = str(path), _columns(path)
    for name in (*labels, *scores, *([patient] if patient else [])):
        column(pd.DataFrame(columns=names), name, where)
    specs, crossed = resolve_groups(groups, intersections, names)
    looked = list(dict.fromkeys([*labels, *(spec.column for spec in specs)]))
    values = _distinct(path, [name for name in looked if name in names])
    one = isinstance(positive, (str, bool, int, float))
    wanted = [positive] * len(labels) if one else list(positive)  # type: ignore[arg-type]
    read: list[LabelColumn] = []
    findings: list[Finding] = []
    for name, value in zip(labels, wanted, strict=True):
        label, more = read_label(
            name,
            pd.DataFrame({name: values[name]}),
            column_name=name,
            positive=value,  # type: ignore[arg-type]
            where=where,
        )
        read.append(label)
        findings += more
    attributes = []
    for spec in specs:
        shown = {spec.column: values[spec.column]} if spec.column in values else {}
        attributes.append(read_attribute(spec, pd.DataFrame(shown, columns=None), where))
        findings += one_level_finding(attributes[-1])
    return StreamedTable(
        path=path,
        scope=scope,
        space=space,
        patient=patient,
        labels=tuple(read),
        scores=tuple(scores),
        attributes=tuple(attributes),
        groups=tuple(spec.name for spec in specs[: len(dict.fromkeys(groups))]),
        intersections=crossed,
        findings=tuple(findings),
        _values={name: pd.Index(series) for name, series in values.items()},
    )


def _columns(path: Path) -> list[str]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowInvalid

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (OSError, ArrowInvalid) as error:
        raise StudyError(
            f"{path}: the table cannot be read ({str(error).splitlines()[0]}); write it again as "
            "parquet."
        ) from None


def _frames(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    file: pq.ParquetFile = pq.ParquetFile(path)
    for batch in file.iter_batches(batch_size=PORTION, columns=list(columns), use_threads=False):
        yield batch.to_pandas()


def _distinct(path: Path, columns: Sequence[str]) -> dict[str, pd.Series]:
    """Return the distinct values of each column in the order of their first row."""
    found: dict[str, pd.Series] = {}
    for frame in _frames(path, columns):
        for name in columns:
            new = frame[name].drop_duplicates()
            both = pd.concat((found[name], new)) if name in found else new
            found[name] = both.drop_duplicates().reset_index(drop=True)
    return found


def _places(index: pd.Index, values: pd.Series) -> npt.NDArray[np.intp]:
    """Return the place of each value among the distinct ones."""
    codes, uniques = pd.factorize(values, use_na_sentinel=False)
    return np.asarray(index.get_indexer(pd.Index(uniques))[codes], dtype=np.intp)


def _patient_keys(
    values: pd.Series, first: int, *, whole: bool
) -> tuple[npt.NDArray[np.uint64], int]:
    """Return a 64-bit key of each patient; a row without one gets a key of its own.

    Args:
        values: Patients of a portion.
        first: Number of its first row.
        whole: Whether the column holds whole numbers, which need not be written out as text.
    """
    if whole:
        absent = values.isna().to_numpy()
        keys = pd.util.hash_array(values.fillna(0).to_numpy(dtype=np.int64), categorize=False)
    else:
        codes, _, texts = text_codes(values)
        hashed = pd.util.hash_array(np.array([*texts, ""], dtype=object), categorize=False)
        keys, absent = hashed[codes], codes < 0
    keys = keys.astype(np.uint64)
    missing = np.flatnonzero(absent)
    own = np.array([f"\0{first + row}" for row in missing.tolist()], dtype=object)
    if len(missing):
        keys[missing] = pd.util.hash_array(own, categorize=False)
    return keys, len(missing)
