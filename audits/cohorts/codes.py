"""Code systems of clinical variables and columns: which codes can be what they say they are.

A code is checked by form and, where the system has one, by its check digit: no terminology server
is asked, so that a code is well formed says nothing about whether it is in use or means what the
study says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from audits.cohorts.tables import text_codes

State = Literal["recognised", "malformed", "unknown_system"]

_FORMS: Mapping[str, re.Pattern[str]] = {
    "LOINC": re.compile(r"\d{1,7}-\d"),
    "SNOMED": re.compile(r"\d{6,18}"),
    "ICD-10": re.compile(r"[A-TV-Z]\d[0-9AB](\.?[0-9A-TV-Z]{1,4})?"),
    "ICD-9": re.compile(r"(\d{3}(\.\d{1,2})?|V\d{2}(\.\d{1,2})?|E\d{3}(\.\d)?)"),
    "RxNorm": re.compile(r"\d{1,8}"),
    "ATC": re.compile(r"[A-DGHJL-NPRSV](\d{2}([A-Z]([A-Z](\d{2})?)?)?)?"),
}
_NAMES: Mapping[str, str] = {
    "loinc": "LOINC",
    "snomed": "SNOMED",
    "snomedct": "SNOMED",
    "sct": "SNOMED",
    "icd10": "ICD-10",
    "icd10cm": "ICD-10",
    "icd9": "ICD-9",
    "icd9cm": "ICD-9",
    "rxnorm": "RxNorm",
    "atc": "ATC",
}
_DETECTED = ("LOINC", "SNOMED", "ICD-10", "ICD-9")
_SHARE = 0.9
_FEWEST = 5

# The dihedral group D5 and its permutation (Verhoeff 1969), as SNOMED CT identifiers use them.
_PRODUCT = (
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
)
_PERMUTED = (
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCheck:
    """What could be said of one code.

    Attributes:
        system: Name of the system, or as it was written where it is not known.
        code: The code.
        state: Whether it can be a code of that system.
        reason: Why not; empty where it can.
    """

    system: str
    code: str
    state: State
    reason: str = ""


def check_code(written: str) -> CodeCheck:
    """Check a code as ``SYSTEM:code``.

    Example:
        >>> check_code("LOINC:2160-0").state, check_code("LOINC:2160-1").reason
        ('recognised', 'its check digit is wrong')
        >>> check_code("SNOMED:73211009").state, check_code("local:17").state
        ('recognised', 'unknown_system')
    """
    before, colon, code = written.strip().partition(":")
    system = _NAMES.get(re.sub(r"[^a-z0-9]", "", before.casefold())) if colon else None
    if system is None:
        said = before if colon else ""
        reason = f"the system {said!r} is not known" if said else "it names no system"
        return CodeCheck(system=said, code=code or written, state="unknown_system", reason=reason)
    reason = fault_of(system, code)
    return CodeCheck(
        system=system, code=code, state="malformed" if reason else "recognised", reason=reason
    )


def fault_of(system: str, code: str) -> str:
    """Return why a code cannot be one of the system; empty where it can."""
    if not _FORMS[system].fullmatch(code):
        return f"it does not have the form of a {system} code"
    if system == "LOINC" and not _luhn(code.replace("-", "")):
        return "its check digit is wrong"
    if system == "SNOMED" and not _verhoeff(code):
        return "its check digit is wrong"
    return ""


def _luhn(digits: str) -> bool:
    """Return whether the last digit is the modulus-10 check digit (LOINC Users' Guide)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of two digits
    return total % 10 == 0


def _verhoeff(digits: str) -> bool:
    """Return whether the last digit is Verhoeff's check digit (SNOMED CT release format 2)."""
    state = 0
    for place, digit in enumerate(reversed(digits)):
        state = int(_PRODUCT[state][int(_PERMUTED[place % 8][int(digit)])])
    return state == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedColumn:
    """A column whose values look like codes.

    Attributes:
        column: Its name.
        system: The system that most of them fit.
        filled: Cases with a value.
        recognised: Cases whose value can be a code of that system.
    """

    column: str
    system: str
    filled: int
    recognised: int


def coded_columns(frame: pd.DataFrame, names: Sequence[str]) -> tuple[CodedColumn, ...]:
    """Return the columns of texts of which nine in ten values can be codes of one known system.

    Numbers alone are never taken for codes: a count of 250 is no diabetes. A column of ICD-9 codes
    is known by its letters or points, one of SNOMED or LOINC by its check digits.
    """
    found = []
    for name in names:
        values = frame[name]
        if is_numeric_dtype(values.dtype) or is_bool_dtype(values.dtype):
            continue
        one = _coded(name, values)
        found += [] if one is None else [one]
    return tuple(found)


def _coded(name: str, values: pd.Series) -> CodedColumn | None:
    codes, _, texts = text_codes(values)
    known = codes[codes >= 0]
    distinct = sorted(set(known.tolist()))
    if len(distinct) < _FEWEST:
        return None
    counts = pd.Series(known).value_counts()
    for system in _DETECTED:
        fitting = [code for code in distinct if not fault_of(system, texts[code].strip())]
        hits = int(counts[fitting].sum()) if fitting else 0
        if hits < _SHARE * len(known):
            continue
        if system == "ICD-9" and not any(set(texts[code]) & set(".VE") for code in fitting):
            continue
        return CodedColumn(column=name, system=system, filled=len(known), recognised=hits)
    return None
