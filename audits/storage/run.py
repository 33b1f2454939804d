"""Reading a run: each part from disk when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.errors import StoreError
from audits.storage.names import file_name_of, name_of_file

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Arrays = Mapping[str, npt.NDArray[Any]]

_READS = "1"
"""Number before the point of the schema that is read; a minor one only adds."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run folder, read lazily; what was read once is kept.

    Attributes:
        path: The run folder.
    """

    path: Path

    @cached_property
    def evidence(self) -> dict[str, Any]:
        """Return ``evidence.json``: everything that may leave, at the declared release."""
        found = self._json("evidence.json")
        version = str(found.get("schema_version", _READS))
        if version.partition(".")[0] != _READS:
            raise StoreError(
                f"{self.path / 'evidence.json'}: is written in schema {version}, and this version "
                f"of Auscult reads schema {_READS}; open it with the version that wrote it."
            )
        return found

    @cached_property
    def exact(self) -> dict[str, Any]:
        """Return the evidence without masking, for use on site only."""
        if self.evidence["release"] == "internal":
            return self.evidence
        return self._json("internal/exact.json")

    @cached_property
    def info(self) -> dict[str, Any]:
        """Return ``internal/run.json``: paths of study and models, command line, content key."""
        return self._json("internal/run.json")

    @property
    def id(self) -> str:
        """Return the run's id."""
        return str(self.evidence["run"]["id"])

    @property
    def created(self) -> str:
        """Return when the run was made, ISO 8601 in UTC."""
        return str(self.evidence["run"]["created"])

    @cached_property
    def cases(self) -> pd.DataFrame:
        """Return one row per audited case: case_id, patient, labels and attribute levels."""
        return self._table("internal/cases.parquet")

    @property
    def model_keys(self) -> tuple[str, ...]:
        """Return ``id@version`` of every model whose predictions the run holds."""
        folder = self.path / "internal" / "predictions"
        return tuple(name_of_file(p.stem) for p in sorted(folder.glob("*.parquet")))

    def predictions(self, model_key: str) -> pd.DataFrame:
        """Return case_id, ``logit__NAME`` or ``score__NAME`` and ``prob__NAME`` of one model."""
        return self._table(f"internal/predictions/{file_name_of(model_key)}.parquet")

    def maps(self, model_key: str) -> Arrays | None:
        """Return the low-resolution maps of one model, or None where it has none."""
        relative = f"internal/maps/{file_name_of(model_key)}.npz"
        return self._arrays(relative) if (self.path / relative).exists() else None

    def explained_cases(self, model_key: str) -> tuple[str, ...]:
        """Return the cases that the run explains for one model."""
        folder = self.path / "internal" / "explanations" / file_name_of(model_key)
        return tuple(name_of_file(p.name) for p in sorted(folder.glob("*")) if p.is_dir())

    def explanations(self, model_key: str, case: str) -> list[dict[str, Any]]:
        """Return every explanation of one case, as ``explanation.json`` holds them."""
        folder = self.explanation_folder(model_key, case)
        return [_read_json(p) for p in sorted(folder.rglob("explanation.json"))]

    def explanation_folder(self, model_key: str, case: str) -> Path:
        """Return the folder with the explanations of one case and their maps."""
        root = self.path / "internal" / "explanations"
        return root / file_name_of(model_key) / file_name_of(case)

    def _json(self, relative: str) -> dict[str, Any]:
        return _read_json(self.path / relative)

    def _table(self, relative: str) -> pd.DataFrame:
        import pandas as pd

        path = self.path / relative
        if not path.exists():
            raise _absent(path)
        return pd.read_parquet(path)

    def _arrays(self, relative: str) -> Arrays:
        import numpy as np

        with np.load(self.path / relative, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}


def open_run(path: Path | str) -> Run:
    """Return the run in a folder.

    Raises:
        StoreError: The folder holds no run.
    """
    folder = Path(path).absolute()
    if not (folder / "evidence.json").is_file():
        raise StoreError(
            f"{folder}: holds no run (evidence.json is not there); "
            "name a folder that `auscult audit` wrote."
        )
    return Run(path=folder)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise _absent(path)
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise StoreError(
            f"{path}: cannot be read as JSON; check the run with `auscult verify`."
        ) from error
    return value


def _absent(path: Path) -> StoreError:
    return StoreError(f"{path}: is not there; check the run with `auscult verify`.")
