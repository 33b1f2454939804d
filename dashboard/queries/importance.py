"""What drives a model over random cases: the run's summary and the effects behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from audits.storage import file_name_of
from dashboard.charts import Beeswarm, Dependence, Dot, Forest, ForestRow
from dashboard.evidence import group_label
from dashboard.queries.runs import RunRef, load_run
from dashboard.words import unit_label

if TYPE_CHECKING:
    from model_adapters.base import Feature

LEADING = 10
MOST_DOTS = 400
FEW_VALUES = 8

Entry = Mapping[str, Any]


def global_output(ref: RunRef, model: str | None, output: str) -> tuple[Entry, Entry] | None:
    """Return the model's global summary and its part on one output, or None."""
    held = load_run(ref).evidence["explanations"].get(model or "") or {}
    summary = held.get("global")
    if not summary:
        return None
    found = next((one for one in summary["outputs"] if one["name"] == output), None)
    return None if found is None else (summary, found)


def inventory(ref: RunRef, model: str | None) -> Entry | None:
    """Return the protected-basis inventory of a model, or None in runs without one."""
    held = load_run(ref).evidence["explanations"].get(model or "") or {}
    found: Entry | None = held.get("protected_basis")
    return found


@st.cache_data(max_entries=6, show_spinner=False)
def effects(ref: RunRef, model: str) -> pd.DataFrame | None:
    """Return the effects of every drawn case, long, or None where the run holds none."""
    name = f"{file_name_of(model)}.parquet"
    path = Path(ref.path) / "internal" / "effects" / name
    return pd.read_parquet(path) if path.is_file() else None


def importance_forest(entries: Sequence[Entry], unit: str) -> Forest:
    """Return the leading variables with their intervals."""
    return Forest(
        metric=f"Mean size of the effect ({unit})",
        unit="",
        grouped="variable",
        graded=False,
        rows=tuple(
            _forest_row(one["label"], one["mean_absolute_effect"], one.get("share"))
            for one in entries[:LEADING]
        ),
    )


def group_forest(output: Entry, variable: str, attribute: str, unit: str) -> Forest:
    """Return one variable's importance in every level of an attribute."""
    rows = []
    overall = next(one for one in output["importance"] if one["name"] == variable)
    for group in output["by_group"]:
        if attribute not in group["attributes"]:
            continue
        own = next((one for one in group["importance"] if one["name"] == variable), None)
        estimate = {"value": None} if own is None else own["mean_absolute_effect"]
        rows.append(_forest_row(group_label(group["attributes"]), estimate, None))
    return Forest(
        metric=f"Mean size of the effect of {overall['label']} ({unit})",
        unit="",
        graded=False,
        rows=tuple(rows),
        overall=overall["mean_absolute_effect"]["value"],
    )


def _forest_row(label: str, estimate: Entry, share: Entry | None) -> ForestRow:
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    if value is None:
        return ForestRow(label=label, value=None, low=None, high=None, text="too few cases")
    reach = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    part = "" if share is None or share["value"] is None else f", {share['value']:.1%} of all"
    text = f"{value:.3f}{reach}{part}"
    return ForestRow(label=label, value=value, low=low, high=high, text=text)


def beeswarm(
    ref: RunRef, model: str, output: str, entries: Sequence[Entry], unit: str
) -> Beeswarm | None:
    """Return the leading variables' effects, a dot per case, at most 400 of them."""
    held = effects(ref, model)
    if held is None:
        return None
    held = held[held["output"] == output]
    kept = pd.unique(held["case_id"])[:MOST_DOTS]
    held = held[held["case_id"].isin(kept)]
    rows = []
    for entry in entries[:LEADING]:
        own = held[held["variable"] == entry["name"]]
        rows.append((entry["label"], _dots(own, unit_label(entry.get("unit")))))
    return Beeswarm(rows=tuple(rows), unit=unit)


def _dots(own: pd.DataFrame, unit: str) -> tuple[Dot, ...]:
    numbers = pd.to_numeric(own["value"], errors="coerce")
    ranks = numbers.rank(pct=True).where(numbers.notna())
    return tuple(
        Dot(
            effect=float(effect),
            value="not measured" if value is None or value is pd.NA else f"{value} {unit}".strip(),
            rank=None if np.isnan(rank) else float(rank),
        )
        for effect, value, rank in zip(own["effect"], own["value"], ranks, strict=True)
    )


def dependence(
    ref: RunRef, model: str, output: str, entry: Entry, feature: Feature | None, unit: str
) -> Dependence | None:
    """Return one variable's effect along its measured values."""
    held = effects(ref, model)
    if held is None:
        return None
    own = held[(held["output"] == output) & (held["variable"] == entry["name"])]
    own = own[own["value"].notna()]
    numbers = pd.to_numeric(own["value"], errors="coerce")
    ordered = numbers.notna().all() and numbers.nunique() > FEW_VALUES
    values = numbers.astype(float).tolist() if ordered else own["value"].astype(str).tolist()
    return Dependence(
        label=entry["label"],
        unit=unit_label(entry.get("unit")),
        values=tuple(values),
        effects=tuple(own["effect"].astype(float)),
        effect_unit=unit,
        normal=feature.normal if feature is not None and ordered else None,
    )
