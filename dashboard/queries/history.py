"""Every version that the store knows, over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from audits.comparison.history import Version, version_history
from dashboard.queries.runs import RunRef, load_run, run_cards
from dashboard.settings import read_settings


def known_runs(study: str) -> tuple[RunRef, ...]:
    """Return the runs of a study, by its name: a new version of its data is the same study."""
    cards, _ = run_cards(read_settings())
    return tuple(card.ref for card in cards if card.study == study)


@st.cache_data(max_entries=64, show_spinner=False)
def history(
    refs: tuple[RunRef, ...], output: str, metric: str, attributes: tuple[tuple[str, str], ...]
) -> tuple[Version, ...]:
    """Return a metric of every version in one group, oldest first."""
    evidence: list[Mapping[str, Any]] = [load_run(ref).evidence for ref in refs]
    return version_history(evidence, output=output, metric=metric, attributes=dict(attributes))
