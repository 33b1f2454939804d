"""Tables that people hand over: CSV or Parquet, read without changing what stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from audits.cohorts.spec import did_you_mean
from audits.errors import StudyError

# "None" is a level that people use (insurance: None), so it is not among the words for missing.
MISSING_WORDS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "<NA>", "#N/A")
TABLE_SUFFIXES = (".csv", ".parquet")
_WORKBOOKS = (".xlsx", ".xls", ".ods")


def read_table(path: Path, *, text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV or Parquet table.

    Args:
        path: The file; its suffix names the format.
        text: Columns read as text from CSV, so that ``007`` stays ``007``.

    Raises:
        StudyError: If the file is missing, is neither format, cannot be parsed or has no row.
    """
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file; check the name.")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        way = "save the sheet as one" if path.suffix.lower() in _WORKBOOKS else "convert it to one"
        raise StudyError(
            f"{path}: expected a table as .csv or .parquet, found {path.suffix or 'no suffix'!r}; "
            f"{way} of these."
        )
    if path.stat().st_size == 0:
        raise StudyError(f"{path}: the table cannot be read (the file is empty); write it again.")
    try:
        frame = _read_csv(path, text) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except UnicodeDecodeError:
        raise StudyError(f"{path}: the table cannot be read ({_not_text(path)}.") from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no content"
        raise StudyError(
            f"{path}: the table cannot be read ({reason}); write it again as "
            f"{path.suffix.lower().removeprefix('.')}."
        ) from None
    check_columns(frame, str(path))
    if frame.empty:
        raise StudyError(f"{path}: the table has no row; give one with at least one case.")
    return frame


def _not_text(path: Path) -> str:
    """Say what a file that is no UTF-8 text seems to be, and what to do about it."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return "the file is a Parquet table under another name); let its name end in .parquet"
    if start == b"PK\x03\x04":
        return "the file is a workbook or an archive, not text); save the sheet as CSV (UTF-8)"
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "the text is encoded as UTF-16, not UTF-8); save it as CSV (UTF-8)"
    return "the text is not encoded as UTF-8); save it as CSV (UTF-8)"


def _read_csv(path: Path, text: Iterable[str]) -> pd.DataFrame:
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values=list(MISSING_WORDS),
        encoding="utf-8-sig",
        low_memory=False,
    )


def check_columns(frame: pd.DataFrame, where: str) -> None:
    """Refuse two columns of one name.

    Raises:
        StudyError: If there are.
    """
    double = frame.columns[frame.columns.duplicated()]
    if len(double):
        raise StudyError(
            f"{where}: the column {str(double[0])!r} stands there twice; keep one of the two."
        )


def column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """Return a column.

    Raises:
        StudyError: If it is not there; the nearest name is suggested.
    """
    if name not in frame.columns:
        names = [str(known) for known in frame.columns]
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004 - a line
        hint = did_you_mean(name, names)
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            raise StudyError(
                f"{where}: there is no column {name!r}, found one column named {names[0]!r}: the "
                "file seems not to be separated by commas; save it with commas between columns "
                "and points in decimals."
            )
        raise StudyError(
            f"{where}: there is no column {name!r}{hint}; name one of those found: {shown}."
        )
    return frame[name]


def value_text(value: object) -> str:
    """Return a cell as people write it: ``1`` for 1.0, ``0.5`` for 0.5, text as it stands."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def text_codes(values: pd.Series) -> tuple[npt.NDArray[np.int64], list[object], list[str]]:
    """Factorise a column of any type.

    Returns:
        Codes (n,) with -1 for missing or blank, the distinct values, and their texts.
    """
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    distinct: list[object] = list(uniques)
    texts = [value_text(value) for value in distinct]
    blank = [index for index, text in enumerate(texts) if not text.strip()]
    out = np.asarray(codes, dtype=np.int64)
    if blank:
        out = np.where(np.isin(out, blank), -1, out)
    return out, distinct, texts


def as_text(values: pd.Series) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Return a column as texts, and where it is missing (an empty text there)."""
    codes, _, texts = text_codes(values)
    table = np.array([*texts, ""], dtype=object)
    return [str(text) for text in table[codes]], codes < 0


def as_numbers(values: pd.Series, *, where: str, name: str, need: str) -> npt.NDArray[np.float64]:
    """Return a column as float64, NaN where missing.

    Raises:
        StudyError: If a cell that is not missing is no number; says how many and the first row.
    """
    if is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    numbers = pd.to_numeric(values, errors="coerce")
    codes, _, _ = text_codes(values)
    bad = np.flatnonzero(numbers.isna().to_numpy() & (codes >= 0))
    if bad.size:
        raise StudyError(
            f"{where}: the column {name!r} {need}, found {bad.size:,} "
            f"{'cell that is' if bad.size == 1 else 'cells that are'} no number, first in row "
            f"{bad[0]} (counting from 0){_decimal_comma(values.iloc[bad])}; correct "
            f"{'it' if bad.size == 1 else 'them'} or name another column."
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _decimal_comma(cells: pd.Series) -> str:
    """Say that numbers are written with a decimal comma, where every cell that failed is."""
    points = cells.astype(str).str.replace(",", ".", n=1, regex=False)
    written = cells.astype(str).str.contains(",", regex=False).all()
    return (
        ", written with a decimal comma instead of a point"
        if written and pd.to_numeric(points, errors="coerce").notna().all()
        else ""
    )


def unique_ids(values: pd.Series, *, where: str, name: str) -> tuple[str, ...]:
    """Return case ids as texts.

    Raises:
        StudyError: If an id is missing or stands there twice: no case may be counted twice.
    """
    ids, missing = as_text(values)
    if missing.any():
        raise StudyError(
            f"{where}: the id column {name!r} is empty in {int(missing.sum()):,} rows, first in "
            f"row {int(np.argmax(missing))} (counting from 0); give every case an id."
        )
    index = pd.Index(ids)
    if not index.is_unique:
        double = list(dict.fromkeys(index[index.duplicated()]))
        raise StudyError(
            f"{where}: the id column {name!r} holds {len(double):,} "
            f"{'id' if len(double) == 1 else 'ids'} more than once, first "
            f"{', '.join(double[:3])}; keep one row per case."
        )
    return tuple(ids)


def patient_codes(
    values: pd.Series,
) -> tuple[npt.NDArray[np.int64], int]:
    """Number the patients from 0.

    Returns:
        Codes (n,), and how many rows have no patient id; each of those is its own patient.
    """
    if is_numeric_dtype(values.dtype):
        raw = pd.factorize(values, use_na_sentinel=True)[0]
    else:  # by text: 7 and "7" are one patient, a blank is none
        found, _, texts = text_codes(values)
        raw = pd.factorize(np.array([*texts, None], dtype=object)[found])[0]
    codes = np.asarray(raw, dtype=np.int64)
    missing = codes < 0
    count = int(missing.sum())
    codes[missing] = codes.max(initial=-1) + 1 + np.arange(count)
    return codes, count
