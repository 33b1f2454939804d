"""One way to open a recording, one sentence where it does not open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audits.cohorts.signals.wfdb import read_record
from audits.errors import StudyError
from model_adapters.base import SignalValue

TIME = "time"
_UNEVEN = 0.01  # of a step by which the times of a CSV may differ from an even grid


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFacts:
    """What a study says of its recordings, for formats that do not say it themselves.

    Attributes:
        rate: Samples per second, or None.
        leads: Names of the leads in the file's order; empty where the file names them.
        unit: Unit of the values, or empty.
    """

    rate: float | None = None
    leads: tuple[str, ...] = ()
    unit: str = ""


def open_signal(path: Path, facts: SignalFacts, *, shown: str | None = None) -> SignalValue:
    """Open a recording: ``.npy``, ``.csv`` with one column per lead, or a WFDB ``.hea``.

    A CSV may have a first column ``time`` in seconds, from which the rate is read.

    Args:
        path: The file.
        facts: What the study says of its recordings.
        shown: What errors call the file, the last part of its path by default.

    Raises:
        StudyError: If it does not open, whatever the reason.
    """
    name = shown or path.name
    if not path.is_file():
        raise StudyError(f"{name}: there is no such file in the study folder; check its name.")
    readers = {".npy": _read_npy, ".csv": _read_csv, ".hea": _read_wfdb}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise StudyError(
            f"{name}: a recording is a .npy, .csv or .hea file, found "
            f"{path.suffix or 'no suffix'!r}; convert it."
        )
    try:
        signal = reader(path, facts)
    except StudyError as error:
        raise StudyError(f"{name}: the recording does not open: {error}.") from None
    except Exception as error:  # noqa: BLE001 - a broken file can raise anything in a reader
        raise StudyError(
            f"{name}: the recording does not open ({type(error).__name__}); replace the file, or "
            "clear its name in the table."
        ) from None
    if not signal.values.size or not np.isfinite(signal.values).all():
        raise StudyError(
            f"{name}: the recording is empty or holds values that are not numbers; fill gaps "
            "before it is stored."
        )
    return signal


def _read_npy(path: Path, facts: SignalFacts) -> SignalValue:
    values = np.load(path, allow_pickle=False)
    if values.ndim != 2:  # noqa: PLR2004 - leads and samples
        raise StudyError(f"it has the shape {values.shape}; store (leads, samples)")
    wanted = len(facts.leads)
    if wanted and values.shape[0] != wanted and values.shape[1] == wanted:
        values = values.T
    leads = facts.leads or tuple(f"lead {one + 1}" for one in range(values.shape[0]))
    return _signal(values, leads, facts.rate, facts.unit)


def _read_csv(path: Path, facts: SignalFacts) -> SignalValue:
    import pandas as pd

    table = pd.read_csv(path)
    rate = facts.rate
    if str(table.columns[0]).strip().lower() == TIME:
        rate = _rate_of(table.iloc[:, 0].to_numpy(dtype=np.float64))
        table = table.iloc[:, 1:]
    leads = tuple(str(name).strip() for name in table.columns)
    return _signal(table.to_numpy(dtype=np.float32).T, leads, rate, facts.unit)


def _rate_of(seconds: npt.NDArray[np.float64]) -> float:
    steps = np.diff(seconds)
    step = float(np.median(steps)) if steps.size else 0.0
    if step <= 0 or float(np.abs(steps - step).max()) > _UNEVEN * step:
        raise StudyError("its times do not rise in even steps; resample it to one rate")
    return round(1.0 / step, 6)  # times are written with few digits


def _read_wfdb(path: Path, facts: SignalFacts) -> SignalValue:
    record = read_record(path)
    return _signal(record.values, record.leads, record.rate, record.unit or facts.unit)


def _signal(
    values: npt.NDArray[np.generic], leads: tuple[str, ...], rate: float | None, unit: str
) -> SignalValue:
    if rate is None or rate <= 0:
        raise StudyError("nothing says its samples per second; give the input a rate")
    if len(leads) != values.shape[0]:
        raise StudyError(
            f"it has {values.shape[0]} leads, the study names {len(leads)}; correct leads"
        )
    kept = np.ascontiguousarray(values, dtype=np.float32)
    return SignalValue(values=kept, rate=float(rate), leads=leads, unit=unit)
