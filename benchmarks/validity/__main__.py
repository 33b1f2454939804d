"""Run the validity suite and write its results beside the benchmarks.

    python -m benchmarks.validity                       # the full suite, hours on two cores
    python -m benchmarks.validity --audits 200          # the same with fewer audits
    python -m benchmarks.validity --only "A 2000"       # parts whose name begins like this

Every part is written to ``benchmarks/validity_results.json`` when it is done, with the command
and the seed, so a run can be taken up again with ``--missing``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.validity import coverage, promises

RESULTS = Path(__file__).parents[1] / "validity_results.json"
Part = tuple[str, Callable[..., dict[str, Any]], dict[str, Any]]


def parts(audits: int) -> list[Part]:
    """Return the suite: name, function, arguments."""
    out: list[Part] = []
    for n in (2_000, 10_000, 100_000):
        for clustered in (False, True):
            how = "4 images a patient" if clustered else "independent rows"
            settings = {"n": n, "clustered": clustered, "audits": audits}
            out += [
                (f"A {n} {how}", promises.promise_a, settings),
                (f"B {n} {how}", promises.promise_b, settings),
            ]
    for n in (2_000, 10_000):
        for auc in (0.75, 0.92):
            settings = {"n": n, "clustered": True, "audits": audits, "auc": auc}
            out.append((f"A {n} auc {auc:g}, clustered", promises.promise_a, settings))
        alone = {"n": n, "clustered": True, "audits": audits, "auc": 0.92, "metrics": ("auroc",)}
        out.append((f"A {n} auroc alone at .92, clustered", promises.promise_a, alone))
        for clustered in (False, True):
            how = "clustered" if clustered else "independent"
            settings = {"n": n, "clustered": clustered, "audits": audits}
            out.append((f"A {n} oe_ratio alone, {how}", promises.promise_a_calibration, settings))
    for n in (2_000, 10_000):
        settings = {"n": n, "clustered": True, "audits": audits}
        out.append((f"equivalence {n}", promises.equivalence_at_the_margin, settings))
    fewer = max(audits // 5, 20)
    out += [
        (
            f"power {positives} positives, gap {gap:g}",
            promises.power,
            {"positives": positives, "gap": gap, "audits": fewer},
        )
        for positives, gap in ((40, 0.25), (80, 0.25), (160, 0.15), (30, 0.45), (400, 0.1))
    ]
    out += [
        ("coverage of rates, enumerated", coverage.enumerated_rates, {}),
        (
            "coverage of rates, clustered, 30 patients",
            coverage.clustered_rates,
            {"audits": fewer // 4, "patients": 30},
        ),
        (
            "coverage of rates, clustered, 120 patients",
            coverage.clustered_rates,
            {"audits": fewer // 4, "patients": 120},
        ),
        ("coverage of auroc", coverage.areas, {"audits": fewer // 4}),
        ("coverage of calibration", coverage.calibration, {"audits": fewer // 4}),
    ]
    return out


def run(part: Part) -> tuple[str, dict[str, Any]]:
    """Run one part and say how long it took."""
    name, function, settings = part
    start = time.perf_counter()
    result = function(**settings)
    return name, {**result, "seconds": round(time.perf_counter() - start, 1)}


def main() -> int:
    """Run what was asked for and keep every result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=2_000, help="audits a setting (2000)")
    parser.add_argument("--only", default="", help="parts whose name begins like this")
    parser.add_argument("--missing", action="store_true", help="skip parts with as many audits")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (1)")
    asked = parser.parse_args()
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    todo = [part for part in parts(asked.audits) if part[0].startswith(asked.only)]
    if asked.missing:
        todo = [
            part
            for part in todo
            if kept.get(part[0], {}).get("audits", 0) < part[2].get("audits", 1)
            and not (part[0] in kept and "audits" not in kept[part[0]])
        ]
    with ProcessPoolExecutor(asked.jobs) as pool:
        for name, result in pool.map(run, todo):
            print(f"{name:45} {json.dumps(result)}", flush=True)
            settings = next(part[2] for part in todo if part[0] == name)
            kept[name] = {**settings, **result, "seed": promises.SEED}
            RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
