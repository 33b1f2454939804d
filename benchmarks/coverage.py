"""Do the intervals of every path of the engine hold the truth in 95 of 100 cases?

    python -m benchmarks.coverage [PATH …]

Every path is walked with other seeds, each stopped by its own rule as in the product. The truth of
a run is the mean of all other runs, which is unbiased; effect +- 1.96 standard errors (widened
by the truth's own error) should hold it. What is enumerated has no error and is left out. Results
go to ``coverage_paths.json``. Of a note and a fusion every level counts that is walked: sentences
and words, and the parts of all inputs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from audits.explanations.shapley import (
    FieldsGame,
    Hierarchy,
    OwenEstimate,
    Stop,
    owen_values,
    permutation_shapley,
)

SAMPLE = Path(__file__).parents[1] / "sample_data" / "icu_multimodal"
RESULTS = Path(__file__).with_name("coverage_paths.json")
CASE, CASE_WITH_IMAGE = "M03929", "M03598"
RUNS = {"sequence": 30, "fusion": 24, "note": 200, "made": 200}

Found = tuple[np.ndarray, np.ndarray]
"""Effects and standard errors of one run."""


def coverage(walk: Callable[[int], Found], runs: int) -> dict[str, Any]:
    """Return the share of intervals that hold the mean of the other runs."""
    pairs = [walk(seed) for seed in range(runs)]
    effects, errors = (np.stack([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    others = (effects.sum(axis=0) - effects) / (runs - 1)
    width = 1.96 * errors * np.sqrt(1 + 1 / (runs - 1))
    asked = np.isfinite(errors) & (errors > 1e-9)
    inside = np.abs(effects - others) <= width
    spread = effects.std(axis=0, ddof=1)[asked.all(axis=0)]
    largest = np.abs(effects.mean(axis=0)).max()
    return {
        "coverage": float(inside[asked].mean()),
        "intervals": int(asked.sum()),
        "runs": runs,
        "error": float(np.sqrt((spread**2).mean()) / largest),
    }


def _made_game(players: int, background: int = 20) -> FieldsGame:
    """Return one case of a bent random network, as in the tests."""
    rng = np.random.default_rng(5)
    first = rng.normal(size=(players, 24)) / np.sqrt(players) * 2
    second = rng.normal(size=(24, 1))
    return FieldsGame(
        predict=lambda batch: np.maximum(batch["x"] @ first, 0.2) ** 1.5 @ second,
        cases={"x": rng.normal(size=(1, players))},
        background={"x": rng.normal(size=(background, players))},
        player_of_cell={"x": np.arange(players)},
        players=players,
    )


def flat(seed: int) -> Found:
    """Walk 20 players by plain permutations, stopped at the default target."""
    found = permutation_shapley(_made_game(20), seed=seed, stop=Stop())
    return found.effects, found.se


def _members(found: OwenEstimate) -> Found:
    return found.members.effects, found.members.se


def owen(seed: int) -> Found:
    """Walk 20 players in five groups."""
    groups = Hierarchy(levels=(np.arange(20) // 4,))
    return _members(owen_values(_made_game(20), groups, seed=seed, stop=Stop()))


def removed(seed: int) -> Found:
    """Walk 36 players in three groups against one background row, stopped as notes are."""
    from audits.explanations.parts.notes import STOP

    groups = Hierarchy(levels=(np.arange(36) // 12,))
    stop = replace(STOP, seconds=600.0)
    return _members(owen_values(_made_game(36, background=1), groups, seed=seed, stop=stop))


def wide(seed: int) -> Found:
    """Walk 400 players in 20 groups of which all are opened, stopped as wide tables are."""
    from audits.explanations.wide_tables import WIDE_STOP

    groups = Hierarchy(levels=(np.arange(400) // 20,))
    stop = replace(WIDE_STOP, seconds=600.0)
    return _members(owen_values(_made_game(400), groups, seed=seed, stop=stop))


def _of_sample(model: str, case: str) -> Callable[[int], Found]:
    """Return a walk through one case of a sample model, whatever the clock says."""
    import torch

    torch.set_num_threads(1)
    from audits.cohorts import open_study
    from audits.explanations.parts import fusion, notes, sequences
    from audits.explanations.request import open_request
    from model_adapters import load_adapter

    for room in (fusion, notes, sequences):
        room.STOP = replace(room.STOP, seconds=600.0)
    adapter = load_adapter(SAMPLE / "models" / model, device="cpu")
    request = open_request(open_study(SAMPLE), adapter, case)
    with_rows = {field.modality for field in adapter.inputs} & {"table", "sequence"}
    held = request.background() if with_rows else None

    def walk(seed: int) -> Found:
        from audits.explanations.case import explain_unchecked

        one = replace(request, seed=seed, given_background=held)
        if [field.modality for field in adapter.inputs] == ["sequence"]:
            found = sequences.explain_by_sequence(one, "shapley", stop=sequences.STOP, fine=False)
        else:
            found = explain_unchecked(one, "shapley")
        parts = [*found.players, *(found.note.units if found.note else ())]
        effects = np.array([part.effect for part in parts])
        return effects, np.array([np.nan if part.se is None else part.se for part in parts])

    return walk


PATHS: dict[str, Callable[[], dict[str, Any]]] = {
    "flat": lambda: coverage(flat, RUNS["made"]),
    "owen": lambda: coverage(owen, RUNS["made"]),
    "removed": lambda: coverage(removed, RUNS["made"]),
    "wide": lambda: coverage(wide, 20),
    "note": lambda: coverage(_of_sample("notes-1.0", CASE), RUNS["note"]),
    "gru": lambda: coverage(_of_sample("gru-1.0", CASE), RUNS["sequence"]),
    "transformer": lambda: coverage(_of_sample("transformer-1.0", CASE), RUNS["sequence"]),
    "fusion": lambda: coverage(_of_sample("fusion-1.0", CASE_WITH_IMAGE), RUNS["fusion"]),
}


def main() -> None:
    """Walk the paths that are named, or all, and keep what the others gave."""
    held = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for name in sys.argv[1:] or PATHS:
        held[name] = PATHS[name]()
        one = held[name]
        print(f"{name:12} {one['coverage']:.1%} of {one['intervals']:,} intervals, {one['runs']} "
              f"runs; error {one['error']:.2%} of the largest effect", flush=True)  # fmt: skip
        RESULTS.write_text(json.dumps(held, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
