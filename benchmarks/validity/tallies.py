"""Adding up portions of a part, and what the sums say."""

from __future__ import annotations

from typing import Any

from scipy.stats import binom

ALARMS = ("any_disparity", "confirmed")


def limit(audits: int) -> int:
    """Return the 99 % binomial limit of a true rate of 5 %: 123 of 2,000, 18 of 200."""
    return int(binom.ppf(0.99, audits, 0.05))


def add(first: Any, second: Any) -> Any:
    """Return the sum of two trees of counts; what is no number is taken from the second."""
    if isinstance(second, dict):
        before = first if isinstance(first, dict) else {}
        return {**before, **{key: add(before.get(key, 0), value) for key, value in second.items()}}
    if isinstance(second, (int, float)) and isinstance(first, (int, float)):
        return first + second
    return second


def conclude(counted: dict[str, Any]) -> dict[str, Any]:
    """Return the counts with the limit of alarms, coverage, and relative power."""
    out = {key: value for key, value in counted.items() if key != "seed"}
    if any(name in counted for name in ALARMS):
        out["limit"] = limit(int(counted["audits"]))
    for name, value in counted.items():
        if isinstance(value, dict) and "covered" in value:
            out[name] = {**value, "coverage": round(value["covered"] / value["intervals"], 4)}
        if isinstance(value, dict) and "claims" in value:
            out[name] = {**value, "share": round(value["wrong"] / max(value["claims"], 1), 4)}
    if "found" in counted:
        out["relative"] = round(counted["found"] / max(counted["found_by_z_test"], 1), 3)
    return out


def coverage_means(kept: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return mean, lowest and number of the coverages of each kind of interval over its cells.

    Args:
        kept: Counts of the parts by name, as ``validity_results.json`` holds them.
    """
    cells: dict[str, list[float]] = {}
    for name, counted in kept.items():
        if not name.startswith("coverage of "):
            continue
        for metric, value in counted.items():
            if isinstance(value, dict) and "covered" in value:
                of = "bootstrap" if "bootstrap" in name else metric
                cells.setdefault(of, []).append(value["covered"] / value["intervals"])
    return {
        of: {"mean": sum(found) / len(found), "lowest": min(found), "cells": len(found)}
        for of, found in sorted(cells.items())
    }
