"""WFDB records as PhysioNet publishes ECGs: a header in text and samples of 16 bits.

Format: https://physionet.org/physiotools/wag/header-5.htm and signal-5.htm, format 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audits.errors import StudyError

_DEFAULT_GAIN = 200.0
_DEFAULT_RATE = 250.0
_MISSING = -32768
_FIRST_FIELDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record in physical units.

    Attributes:
        values: float32 (leads, samples); NaN where the record marks a sample as invalid.
        leads: Description of each signal.
        rate: Samples per second.
        unit: Unit of the first signal.
    """

    values: npt.NDArray[np.float32]
    leads: tuple[str, ...]
    rate: float
    unit: str


@dataclass(frozen=True, slots=True)
class _Line:
    """What the header says of one signal."""

    file: str
    gain: float
    baseline: float
    unit: str
    lead: str


def read_record(header: Path) -> Record:
    """Read a single-segment record whose signals share one file of format 16.

    Raises:
        StudyError: If the header or the format is another one, or samples are missing.
    """
    lines = [line.strip() for line in header.read_text(encoding="ascii").splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    if not kept or len(kept[0].split()) < _FIRST_FIELDS:
        raise StudyError("its header names no signals; export it again")
    first = kept[0].split()
    count = int(first[1])
    rate = float(first[2].split("/")[0].split("(")[0]) if len(first) > _FIRST_FIELDS else 0.0
    signals = [_line(line, at) for at, line in enumerate(kept[1 : count + 1])]
    if "/" in first[0] or len(signals) != count or len({one.file for one in signals}) != 1:
        raise StudyError("it has several segments or files; write it as one record of format 16")
    name = signals[0].file
    if Path(name).name != name or not (header.parent / name).is_file():
        raise StudyError(f"its samples are not there: {name} belongs beside the header")
    raw = np.fromfile(header.parent / name, dtype="<i2")
    if raw.size == 0 or raw.size % count:
        raise StudyError(f"{name} is cut short; copy it again")
    stored = raw.reshape(-1, count).T.astype(np.float32)
    stored[stored == _MISSING] = np.nan
    gain = np.array([one.gain for one in signals], dtype=np.float32)[:, None]
    baseline = np.array([one.baseline for one in signals], dtype=np.float32)[:, None]
    return Record(
        values=(stored - baseline) / gain,
        leads=tuple(one.lead for one in signals),
        rate=rate or _DEFAULT_RATE,
        unit=signals[0].unit,
    )


def _line(text: str, at: int) -> _Line:
    """Read one signal's line: file, format, gain(baseline)/unit, resolution, zero, …, lead."""
    parts = text.split(maxsplit=8)
    if len(parts) < _FIRST_FIELDS or parts[1].split("x")[0].split(":")[0].split("+")[0] != "16":
        found = parts[1] if len(parts) >= _FIRST_FIELDS else "none"
        raise StudyError(f"its samples are stored in format {found}; write them in format 16")
    scale, _, unit = (parts[2] if len(parts) > _FIRST_FIELDS else "").partition("/")
    gain, _, base = scale.partition("(")
    zero = parts[4] if len(parts) > 4 else "0"  # noqa: PLR2004 - the fifth field, ADC zero
    return _Line(
        file=parts[0],
        gain=float(gain or 0) or _DEFAULT_GAIN,
        baseline=float(base.rstrip(")") or zero),
        unit=unit or "mV",
        lead=parts[8].strip() if len(parts) > 8 else f"lead {at + 1}",  # noqa: PLR2004 - the last
    )
