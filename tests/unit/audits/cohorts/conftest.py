"""Study folders written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

STUDY = """
[study]
name = "small"
version = "1.0"
licence = "CC0"
[cases]
table = "cases.parquet"
patient = "patient_id"
split = "split"
[labels.effusion]
column = "effusion"
[groups.sex]
column = "sex"
[groups.age_band]
column = "age"
bands = [40, 65]
[groups.site]
column = "site"
kind = "site"
[inputs.image]
column = "image_path"
kind = "png"
mask_columns = { effusion = "effusion_mask" }
anatomy_mask_column = "lung_mask"
[inputs.ehr]
variables = "variables.csv"
[inputs.vitals]
table = "vitals.parquet"
[inputs.note]
column = "note"
"""

VARIABLES = """name,label,unit,low,high,code,protected,actionable,description
age,Age,a,,,LOINC:30525-0,true,false,
lactate,Lactate,mmol/L,0.5,2.2,LOINC:2524-7,false,true,Serum lactate
sex,Sex,,,,,yes,no,
"""


def cases() -> pd.DataFrame:
    """Six audited cases and two of training, every kind of gap among them."""
    return pd.DataFrame(
        {
            "case_id": ["a", "b", "c", "d", "e", "f", "t1", "t2"],
            "patient_id": [1, 1, 2, 3, 4, 5, 6, 7],
            "split": ["test"] * 6 + ["train"] * 2,
            "effusion": [1, 0, 0, 1, 0, None, 1, 0],
            "sex": ["F", "M", None, "F", "M", "F", "F", "M"],
            "age": [39, 40, 64.5, 65, None, 70, 30, 30],
            "site": ["X"] * 8,
            "lactate": [1.0, np.nan, 3.5, 0.9, 2.0, 1.1, 1.0, 1.0],
            "image_path": [
                *(f"images/{name}.png" for name in ("a", "b", "broken", "gone")),
                *("", None, "", ""),
            ],
            "effusion_mask": ["masks/a.png", "", "", "", "", "", "", ""],
            "lung_mask": ["masks/a.png", "", "", "", "", "", "", ""],
            "note": ["Short of breath.", None, "No fever.", "x", "y", "z", "", ""],
        }
    )


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a study folder, its TOML and table open to change."""

    def write(toml: str = STUDY, frame: pd.DataFrame | None = None, name: str = "study") -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        rng = np.random.default_rng(0)
        for case in ("a", "b"):
            pixels = rng.integers(0, 256, (5, 7), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{case}.png")
        (folder / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno image")
        Image.fromarray(np.eye(5, 7, dtype=np.uint8) * 255).save(folder / "masks" / "a.png")
        (frame if frame is not None else cases()).to_parquet(folder / "cases.parquet")
        (folder / "variables.csv").write_text(VARIABLES, encoding="utf-8")
        pd.DataFrame(
            {
                "case_id": ["b", "a", "a"],
                "time": [0.0, 2.0, 1.0],
                "variable": ["hr", "hr", "hr"],
                "value": [80.0, 91.0, 90.0],
            }
        ).to_parquet(folder / "vitals.parquet")
        (folder / "study.toml").write_text(toml, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def study_toml() -> str:
    return STUDY


@pytest.fixture
def study_cases() -> pd.DataFrame:
    return cases()


@pytest.fixture
def assert_sentence() -> Callable[..., None]:
    """Return a check that an error is one line that names what it must and shows no stack."""

    def check(error: BaseException, *parts: str) -> None:
        text = str(error)
        assert "\n" not in text
        assert "Traceback" not in text
        assert text.endswith((".", "?"))
        for part in parts:
            assert part in text, text

    return check


@pytest.fixture
def shared_data() -> Path:
    """Return the real data beside the repository, or skip."""
    folder = Path(__file__).parents[5] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data is not beside the repository (../shared/data)")
    return folder


@pytest.fixture
def dicom_file() -> Callable[[str], Path]:
    """Return where one of pydicom's own test files lies; only those in the wheel."""

    def find(name: str) -> Path:
        path = get_testdata_file(name, download=False)
        if path is None:
            pytest.skip(f"pydicom {pydicom.__version__} does not carry {name}")
        return Path(str(path))

    return find
