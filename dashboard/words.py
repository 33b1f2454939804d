"""Labels, units and definitions from ``audits/glossary.toml``, the one source of words."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Section = Literal[
    "metric",
    "verdict",
    "strength",
    "check",
    "check_name",
    "shortcut",
    "outcome",
    "scope",
    "state",
    "method",
    "term",
    "notice",
    "statistic",
    "limit",
    "unit",
    "export",
    "role",
    "cohort",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One entry of the glossary.

    Attributes:
        name: Key in the glossary, as it stands in ``evidence.json``.
        label: What people read.
        plural: The same for several, where the label itself does not do.
        symbol: Shape that stands for it, so that colour never stands alone.
        colour: Streamlit's name of its colour.
        unit: ``percent``, ``number`` or ``ratio`` for metrics.
        better: ``higher``, ``lower``, ``one``, ``zero`` or empty.
        denominator: What the metric is a share of.
        definition: One or two sentences.
        formula: Plain-text formula.
        reference: Source.
        text: A whole notice.
    """

    name: str
    label: str = ""
    plural: str = ""
    symbol: str = ""
    colour: str = "gray"
    unit: str = "number"
    better: str = ""
    denominator: str = ""
    definition: str = ""
    formula: str = ""
    reference: str = ""
    text: str = ""

    def counted(self, n: int) -> str:
        """Return the number with the word, for example ``3 disparities``."""
        many = self.plural or self.label.lower()
        return f"{n:,} {self.label.lower() if n == 1 else many}"

    @property
    def badge(self) -> str:
        """Return Markdown of a badge: symbol and word on a tinted ground."""
        return f":{self.colour}-badge[{self.symbol} {self.label}]"


@cache
def glossary() -> dict[str, dict[str, Word]]:
    """Return every word by section and name."""
    raw = tomllib.loads(files("audits").joinpath("glossary.toml").read_text(encoding="utf-8"))
    return {
        section: {name: Word(name=name, **entry) for name, entry in entries.items()}
        for section, entries in raw.items()
    }


def word(section: Section, name: str | None) -> Word:
    """Return the entry, or one that shows the name itself where the glossary has none."""
    found = glossary().get(section, {}).get(name or "")
    return found or Word(name=name or "", label=(name or "none").replace("_", " "))


def label(section: Section, name: str | None) -> str:
    """Return the label people read."""
    return word(section, name).label


def notice(name: str) -> str:
    """Return a fixed sentence, for example that a page is not for primary diagnosis."""
    return word("notice", name).text


SPELLINGS = {name: name.upper() for name in "ap copd ckd ct ecg ehr icu mr mri pa".split()}  # noqa: SIM905 - a list of words
SPELLINGS |= {name: name.upper() for name in "bmi bun crp gcs hr inr map wbc".split()}  # noqa: SIM905 - a list of words
SPELLINGS |= {"xray": "X-ray", "ph": "pH", "spo2": "SpO2", "fio2": "FiO2", "pao2": "PaO2"}


def humanised(name: str) -> str:
    """Return a column or label name as words.

    Example:
        >>> humanised("age_band"), humanised("icu_stay")
        ('Age band', 'ICU stay')
        >>> humanised("ph"), humanised("spo2")
        ('pH', 'SpO2')
    """
    words = [SPELLINGS.get(part, part) for part in name.replace("_", " ").split()]
    text = " ".join(words)
    return text if words and words[0] in SPELLINGS.values() else text[:1].upper() + text[1:]


def inside(label: str) -> str:
    """Return a label as it stands inside a sentence; abbreviations keep their capitals.

    Example:
        >>> inside("Sensitivity"), inside("AUROC")
        ('sensitivity', 'AUROC')
    """
    kept = label[1:2].isupper() or label.split(" ", maxsplit=1)[0] in SPELLINGS.values()
    return label if kept else label[:1].lower() + label[1:]


def unit_label(code: str | None) -> str:
    """Return a UCUM unit as people write it.

    Example:
        >>> unit_label("mm[Hg]"), unit_label("mmol/L"), unit_label(None)
        ('mmHg', 'mmol/L', '')
    """
    if not code:
        return ""
    known = glossary()["unit"].get(code)
    return known.label if known else code.strip("{}")


def verdict_text(verdict: str | None, strength: str | None = None) -> str:
    """Return a verdict with its symbol and strength, for tables without Markdown.

    Example:
        >>> verdict_text("disparity", "confirmed")
        '◆ Disparity, confirmed'
    """
    entry = word("verdict", verdict or "exploratory")
    tail = f", {label('strength', strength)}" if strength else ""
    return f"{entry.symbol} {entry.label}{tail}"
