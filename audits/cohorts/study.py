"""A study folder, opened: the cases that are audited and everything known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audits.cohorts.boxes import Boxes, filled, read_boxes
from audits.cohorts.groups import Attribute
from audits.cohorts.hashes import manifest_sha256
from audits.cohorts.inputs import InputColumn, inside, match_input, path_cells
from audits.cohorts.labels import LabelColumn
from audits.cohorts.sequences import SequenceTable
from audits.cohorts.spec import STUDY_FILE, Scope, StudySpec
from audits.cohorts.table import pick_attribute
from audits.cohorts.tables import column, value_text
from audits.errors import StudyError
from audits.types import Finding, Skipped
from model_adapters.base import Batch, Feature, Field, SignalValue

if TYPE_CHECKING:
    from audits.cohorts.images import StudyImage

DEFAULT_SPLIT = "test"


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """The cases of one split of a study folder.

    Attributes:
        folder: Where it lies.
        spec: What ``study.toml`` says.
        table: All rows of the cases table, every split.
        split: Name of the split that is audited, or None where there are no splits.
        cases: Rows of that split, columns as in the file, indexed by case id.
        case_ids: One per row of ``cases``.
        patients: int64 (n,) codes from 0, or None where no patient is declared.
        labels: By name; values aligned to ``case_ids``.
        inputs: By name.
        variables: Clinical variables of every table input.
        measured: Clinical variables of every sequence input that describes them.
        findings: What the reader of a run must know.
        skipped: Cases without any label.
    """

    folder: Path
    spec: StudySpec
    table: pd.DataFrame
    split: str | None
    cases: pd.DataFrame
    case_ids: tuple[str, ...]
    patients: npt.NDArray[np.int64] | None
    labels: Mapping[str, LabelColumn]
    inputs: Mapping[str, InputColumn]
    variables: tuple[Feature, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    groups: Mapping[str, Attribute]
    measured: tuple[Feature, ...] = ()

    @property
    def name(self) -> str:
        """What the study calls itself."""
        return self.spec.study.name

    @property
    def version(self) -> str:
        """Version of the study."""
        return self.spec.study.version

    @property
    def description(self) -> str:
        """What it is, in its authors' words."""
        return self.spec.study.description

    @property
    def licence(self) -> str:
        """Under which terms it may be used."""
        return self.spec.study.licence

    @property
    def scope(self) -> Scope:
        """Where its cases come from, relative to the model's training data."""
        return self.spec.cases.scope

    @property
    def n_patients(self) -> int | None:
        """Distinct patients, or None where no patient is declared."""
        return None if self.patients is None else int(self.patients.max()) + 1

    @cached_property
    def sha256(self) -> str:
        """Hash of ``study.toml``, every table and file it names, and the split."""
        cells = [STUDY_FILE, self.spec.cases.table]
        for one in self.inputs.values():
            cells += [name for name in (one.table, one.variables, one.boxes) if name]
            files = self.spec.inputs[one.name].mask_fields
            if one.kind is not None and one.column is not None:
                files = (one.column, *files)
            for name in files:
                cells += [str(cell) for cell in path_cells(self.table[name]) if cell]
        known = [cell for cell in cells if _is_inside(self.folder, cell)]
        return manifest_sha256(self.folder, known, extra=self.split or "")

    def attributes(self, names: Sequence[str] | None = None) -> tuple[Attribute, ...]:
        """Return the groups asked for, or all that the study declares.

        Raises:
            StudyError: If one is not declared.
        """
        wanted = list(self.groups) if names is None else names
        return tuple(pick_attribute(self.groups, name, f"Study {self.name}") for name in wanted)

    def in_split(self, split: str) -> Study:
        """Return the same study with another split as its cases (a background, for example)."""
        from audits.cohorts.opening import assemble

        return assemble(self.folder, self.spec, self.table, split)

    def row(self, case_id: str) -> int:
        """Return the position of a case in ``case_ids``.

        Raises:
            StudyError: If the split has no such case.
        """
        try:
            return self._rows[case_id]
        except KeyError:
            raise StudyError(
                f"Study {self.name}: there is no case {case_id!r} among the {len(self.case_ids):,} "
                f"audited ones; name one such as {self.case_ids[0]!r}."
            ) from None

    def available(self, fields: Sequence[Field]) -> npt.NDArray[np.bool_]:
        """Return the cases whose inputs are shipped with the study (n,)."""
        out = np.ones(len(self.case_ids), dtype=np.bool_)
        for wanted in fields:
            if wanted.modality in ("case_id", "table"):
                continue
            one = match_input(self.inputs, wanted, f"Study {self.name}")
            if one.column is not None:
                out &= path_cells(self.cases[one.column]).astype(bool)
        return out

    def raw_batch(
        self, fields: Sequence[Field], case_ids: Sequence[str]
    ) -> tuple[Batch, list[str], list[Skipped]]:
        """Open what a model wants of some cases; those that fail are listed, others go on.

        Returns:
            Raw values of the usable cases, their ids, and the skipped ones with the reason.

        Raises:
            StudyError: If the study lacks an input or a variable altogether.
        """
        from audits.cohorts.raw import read_batch

        return read_batch(self, fields, case_ids)

    def image(self, case_id: str, field: str = "image") -> StudyImage:
        """Open the image of a case for display.

        Raises:
            StudyError: If there is no such input, or the file does not open.
        """
        from audits.cohorts.images import OPENED, open_image

        wanted = match_input(self.inputs, Field(name=field, modality="image"), f"Study {self.name}")
        name = self._cell(case_id, wanted.column or "")
        if not name:
            raise StudyError(f"Case {case_id}: its image is not shipped with the study.")
        path, kind = inside(self.folder, name), wanted.kind or "png"
        return OPENED.get(path, lambda: open_image(path, kind, shown=name))

    def mask(self, case_id: str, column_name: str) -> npt.NDArray[np.bool_] | None:
        """Open a mask of a case: True inside; None where none is shipped.

        Raises:
            StudyError: If there is no such column, or the file does not open.
        """
        from audits.cohorts.images import open_mask

        name = self._cell(case_id, column_name)
        return open_mask(inside(self.folder, name), shown=name) if name else None

    def reference_mask(
        self, case_id: str, field: Field, output: str
    ) -> npt.NDArray[np.bool_] | None:
        """Return the study's mask of an output over a model's image input, or None."""
        name = match_input(self.inputs, field, f"Study {self.name}").mask_column(output)
        return self.mask(case_id, name) if name else None

    def finding(
        self, case_id: str, name: str, output: str, shape: tuple[int, ...]
    ) -> npt.NDArray[np.bool_] | None:
        """Return where an output's finding is: its mask, else its boxes filled; None without both.

        Args:
            case_id: The case.
            name: The image input, as the study or a model calls it.
            output: The output whose finding is meant.
            shape: Spatial shape of the stored image, which boxes are filled on; of volumes only
                masks count.
        """
        wanted = Field(name=name, modality="image")
        one = match_input(self.inputs, wanted, f"Study {self.name}")
        masks = one.mask_column(output)
        if masks is not None:
            return self.mask(case_id, masks)
        boxes = self._boxes.get(one.name, {}).get((case_id, output), ())
        if not boxes or len(shape) != 2:  # noqa: PLR2004 - boxes have rows and columns
            return None
        return filled(boxes, (shape[0], shape[1]))

    def signal(self, case_id: str, field: str = "signal") -> SignalValue:
        """Open the recording of a case.

        Raises:
            StudyError: If there is no such input, or the file does not open.
        """
        from audits.cohorts.signals import SignalFacts, open_signal

        wanted = Field(name=field, modality="signal")
        one = match_input(self.inputs, wanted, f"Study {self.name}")
        name = self._cell(case_id, one.column or "")
        if not name:
            raise StudyError(f"Case {case_id}: its recording is not shipped with the study.")
        said = self.spec.inputs[one.name]
        facts = SignalFacts(rate=said.rate, leads=said.leads, unit=said.unit)
        return open_signal(inside(self.folder, name), facts, shown=name)

    def sequence(self, case_id: str, field: str | None = None) -> pd.DataFrame:
        """Return the measurements of a case: ``time``, ``variable``, ``value``, by rising time."""
        wanted = Field(name=field or "", modality="sequence")
        one = match_input(self.inputs, wanted, f"Study {self.name}")
        self.row(case_id)
        return self._sequences[one.name].of(case_id)

    def measured_variables(self, field: str) -> frozenset[str]:
        """Return every variable that a sequence input holds for any case of the study."""
        one = match_input(self.inputs, Field(name=field, modality="sequence"), f"Study {self.name}")
        return self._sequences[one.name].variables

    def note(self, case_id: str, field: str | None = None) -> str | None:
        """Return the text of a case, or None where there is none."""
        wanted = Field(name=field or "", modality="text")
        one = match_input(self.inputs, wanted, f"Study {self.name}")
        return self._cell(case_id, one.column or "") or None

    def hours_before(self, case_id: str) -> dict[str, float]:
        """Return how long before the case's own time each variable was measured, in hours.

        Only variables whose ``measured_at`` names a column, of a study that names the case's time;
        a measurement without a time is left out.
        """
        when = self.spec.cases.time
        if when is None:
            return {}
        row, out = self.cases.iloc[self.row(case_id)], {}
        for name, at in self._measured_at.items():
            apart = pd.to_datetime(row[when]) - pd.to_datetime(row[at])
            if not pd.isna(apart):
                out[name] = float(apart / pd.Timedelta(hours=1))
        return out

    @cached_property
    def _measured_at(self) -> dict[str, str]:
        from audits.cohorts.variables import measurement_columns

        files = [one.variables for one in self.inputs.values() if one.variables and not one.table]
        return {
            name: at
            for file in files
            for name, at in measurement_columns(inside(self.folder, file)).items()
        }

    def _cell(self, case_id: str, name: str) -> str:
        value: Any = column(self.cases, name, f"Study {self.name}").iloc[self.row(case_id)]
        text = "" if pd.isna(value) else value_text(value)
        return text if text.strip() else ""

    @cached_property
    def _boxes(self) -> dict[str, Boxes]:
        return {
            name: read_boxes(inside(self.folder, one.boxes), self.spec.cases.id)
            for name, one in self.inputs.items()
            if one.boxes
        }

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {case_id: row for row, case_id in enumerate(self.case_ids)}

    @cached_property
    def _sequences(self) -> dict[str, SequenceTable]:
        return {
            one.name: SequenceTable(inside(self.folder, one.table), self.spec.cases.id)
            for one in self.inputs.values()
            if one.table
        }


def _is_inside(folder: Path, name: str) -> bool:
    try:
        inside(folder, name)
    except StudyError:
        return False
    return True
