"""Templated progress notes: sections, negations, some of the truth, and one leaking sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .design import LEAK, LEAK_IF_NEGATIVE, LEAK_IF_POSITIVE, OUTCOME

_REASONS = (
    "Admitted with community acquired pneumonia", "Admitted after elective colectomy",
    "Admitted with upper gastrointestinal bleeding", "Admitted with exacerbation of COPD",
    "Admitted after coronary bypass surgery", "Admitted with urinary sepsis",
)  # fmt: skip
_PAST = (
    "Past medical history of hypertension", "Past medical history of type 2 diabetes",
    "No known past medical history", "Past medical history of chronic kidney disease",
    "Former smoker with twenty pack years",
)  # fmt: skip
_DENIALS = (
    "Denies chest pain", "No fever overnight", "Denies shortness of breath at rest",
    "No nausea or vomiting", "Without abdominal tenderness", "No new focal deficit",
)  # fmt: skip
_DRUGS = (
    "Receives piperacillin tazobactam", "On subcutaneous enoxaparin",
    "Receives furosemide as needed", "On insulin sliding scale", "Receives pantoprazole daily",
)  # fmt: skip
_STABLE = (
    "Awake and follows commands", "Skin warm and well perfused", "Urine output adequate",
    "Breathing comfortably on low flow oxygen", "Abdomen soft",
)  # fmt: skip
_WORSE = (
    "Skin cool and mottled", "Urine output has fallen", "Increasingly drowsy",
    "Needs more vasopressor support",
)  # fmt: skip
_PLANS = (
    "Continue current antibiotics", "Repeat laboratory tests in the morning",
    "Physiotherapy and early mobilisation", "Wean oxygen as tolerated", "Diet as tolerated",
    "Discuss transfer to the ward tomorrow",
)  # fmt: skip
WORSE_IF_DECLINING = 0.30


def write_notes(rng: np.random.Generator, stays: pd.DataFrame) -> pd.DataFrame:
    """Return ``note`` and ``leaks`` (whether the leaking sentence stands in it), one per stay."""
    written = [
        _note(rng, bool(positive), float(decline))
        for positive, decline in zip(stays[OUTCOME], stays["decline"], strict=True)
    ]
    return pd.DataFrame(written, columns=["note", "leaks"], index=stays.index)


def _note(rng: np.random.Generator, positive: bool, decline: float) -> tuple[str, bool]:  # noqa: FBT001 - one call
    leaks = bool(rng.random() < (LEAK_IF_POSITIVE if positive else LEAK_IF_NEGATIVE))
    worse = bool(rng.random() < (WORSE_IF_DECLINING if decline > 0 else 0.04))
    examination = _some(rng, _STABLE, 2)
    if worse:
        examination[int(rng.integers(len(examination)))] = str(rng.choice(_WORSE))
    plan = _some(rng, _PLANS, 3)
    if leaks:
        plan.insert(int(rng.integers(len(plan) + 1)), LEAK)
    sections = {
        "HISTORY": [*_some(rng, _REASONS, 1), *_some(rng, _PAST, 1), *_some(rng, _DENIALS, 2)],
        "MEDICATIONS": _some(rng, _DRUGS, 2),
        "EXAMINATION": examination,
        "PLAN": plan,
    }
    text = "\n".join(f"{title}: {'. '.join(said)}." for title, said in sections.items())
    return text, leaks


def _some(rng: np.random.Generator, sentences: tuple[str, ...], count: int) -> list[str]:
    return [str(one) for one in rng.choice(sentences, count, replace=False)]
