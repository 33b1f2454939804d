"""Run the validity suite and write its results beside the benchmarks.

    python -m benchmarks.validity                       # the full suite, hours on two cores
    python -m benchmarks.validity --audits 200          # the same with fewer audits
    python -m benchmarks.validity --only "A 2000"       # parts whose name begins like this
    python -m benchmarks.validity --minutes 60          # stop after an hour

Audits are numbered and each has its own random stream, so a part is run in portions that add up.
After every portion ``benchmarks/validity_results.json`` holds what has been counted so far; the
same command takes up where it was stopped. Portions go round all parts, so that a run that is cut
short has some audits of each. ``--fresh`` begins anew, as is due after a change of the statistics.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.validity.parts import Part, suite
from benchmarks.validity.promises import SEED
from benchmarks.validity.tallies import add, conclude, coverage_means

RESULTS = Path(__file__).parents[1] / "validity_results.json"
PORTION = 100


def _next_portion(part: Part, kept: dict[str, Any]) -> tuple[int, int]:
    """Return the first audit that is still to do and how many to do now."""
    first = int(kept.get(part.name, {}).get("audits", 0))
    step = max(1, round(PORTION * part.share))
    return first, min(step, part.audits - first)


def _run(part: Part, first: int, audits: int, kept: dict[str, Any]) -> None:
    start = time.process_time()
    counted = part.run(first=first, audits=audits, **part.settings)
    counted["cpu_seconds"] = round(time.process_time() - start, 1)
    total = add(kept.get(part.name, {}), {"audits": audits, **counted})
    kept[part.name] = {**total, **part.settings, "seed": SEED}
    shown = conclude(kept[part.name])
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{part.name:48} {json.dumps(shown)}", flush=True)


def main() -> int:
    """Run what was asked for and keep every result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=2_000, help="audits a setting (2000)")
    parser.add_argument("--only", default="", help="parts whose name begins like this")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results of the parts")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    asked = parser.parse_args()
    kept: dict[str, Any] = {}
    if RESULTS.is_file():
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    parts = [part for part in suite(asked.audits) if part.name.startswith(asked.only)]
    if asked.fresh:
        kept = {name: value for name, value in kept.items() if name not in {p.name for p in parts}}
    end = time.monotonic() + 60 * asked.minutes
    while parts and time.monotonic() < end:
        for part in list(parts):
            first, audits = _next_portion(part, kept)
            if audits <= 0:
                parts.remove(part)
            elif time.monotonic() < end:
                _run(part, first, audits, kept)
    for of, found in coverage_means(kept).items():
        where = f"{found['cells']} cells, lowest {found['lowest']:.3f}"
        print(f"mean coverage of {of:21} {found['mean']:.4f}  ({where})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
