"""How long reports take and how large they are; medians of CPU and wall seconds.

``python -m benchmarks.reports [RUN …]`` measures the runs that are named (the sample runs under
``runs/`` by default) and an audit of 15 outputs with 50 intersections each.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audits import audit_predictions
from audits.reporting import seal
from audits.reporting.cards import chai_card, model_card
from audits.reporting.html import report_html
from audits.reporting.pdf import report_pdf
from audits.reporting.tables import tables_zip
from audits.reporting.workbook import workbook
from audits.storage import open_run

REPEATS = 3
MAKERS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
    "pdf": report_pdf,
    "html": report_html,
    "xlsx": workbook,
    "csv": tables_zip,
    "md": model_card,
    "xml": chai_card,
}


def wide_audit() -> dict[str, Any]:
    """Return the evidence of 15 outputs over 5 × 10 crossed groups of 20,000 rows."""
    rng = np.random.default_rng(3)
    rows = 20_000
    frame = pd.DataFrame(
        {
            "site": rng.integers(0, 5, rows).astype(str),
            "unit": [f"u{x}" for x in rng.integers(0, 10, rows)],
            "patient": rng.integers(0, rows // 2, rows),
        }
    )
    names = [f"finding_{at:02d}" for at in range(15)]
    for name in names:
        frame[name] = (rng.random(rows) < 0.2).astype(int)
        frame[f"{name}_p"] = np.clip(0.3 * frame[name] + rng.normal(0.3, 0.15, rows), 0, 1)
    result = audit_predictions(
        frame,
        label=names,
        score=[f"{name}_p" for name in names],
        groups=["site", "unit"],
        intersections=[["site", "unit"]],
        patient="patient",
        threshold=0.5,
    )
    return seal(result.to_dict(), "0" * 64)


def measure(name: str, evidence: Mapping[str, Any]) -> None:
    """Print median CPU and wall seconds and the size of every export."""
    print(f"\n{name}: {len(evidence['outputs'])} outputs")
    for form, make in MAKERS.items():
        cpu, wall, size = [], [], 0
        for _ in range(REPEATS):
            start, begun = time.process_time(), time.perf_counter()
            size = len(make(evidence))
            cpu.append(time.process_time() - start)
            wall.append(time.perf_counter() - begun)
        print(
            f"  {form:5} {statistics.median(cpu):6.2f} s CPU  {statistics.median(wall):6.2f} s  "
            f"{size / 1e6:6.2f} MB"
        )


def main() -> int:
    """Measure the named runs, then the wide audit."""
    runs = [Path(p) for p in sys.argv[1:]] or sorted(
        p for p in Path("runs").glob("*") if p.is_dir()
    )
    report_pdf(wide := wide_audit())  # imports and fonts are loaded once, before the clock runs
    for path in runs:
        measure(path.name, open_run(path).evidence)
    measure("50 intersections x 15 outputs", wide)
    return 0


if __name__ == "__main__":
    sys.exit(main())
