"""The audit of a table larger than memory: peak memory, CPU seconds and time of the whole command.

    python -m benchmarks.streamed                                # 2,000,000 rows
    python -m benchmarks.streamed --rows 100000000 --folder DIR  # 1 GB of Parquet, 3 GB beside it

The table is drawn in portions (50 unequal intersections, one to four rows a patient, scores that
are all different), then ``auscult audit --predictions`` reads it as a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from benchmarks.validity.cohorts import GROUPS, Design, draw

PORTION = 500_000
KEPT = 0.6
"""Share of each patient's four rows that the table keeps."""


def portion(rows: int, seed: int) -> pd.DataFrame:
    """Draw some rows of patients that no other portion has."""
    rng = np.random.default_rng((7, seed))
    table = draw(Design(n=int(rows / KEPT * 1.1), clustered=True), rng)
    table = table[rng.random(len(table)) < KEPT].head(rows).reset_index(drop=True)
    table["score"] = expit(table["score"] - 1.5)
    table["patient"] = table["patient"] + seed * 4 * PORTION
    for name in GROUPS:
        table[name] = table[name].map(str).astype("category")
    return table


def write_table(path: Path, rows: int) -> None:
    """Write a table of simulated predictions."""
    schema = pa.schema(
        [
            ("y", pa.int8()),
            ("score", pa.float64()),
            ("patient", pa.int64()),
            *((name, pa.dictionary(pa.int8(), pa.string())) for name in GROUPS),
        ]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for seed, first in enumerate(range(0, rows, PORTION)):
            drawn = portion(min(PORTION, rows - first), seed)
            writer.write_table(pa.Table.from_pandas(drawn, schema=schema, preserve_index=False))


def command(table: Path, folder: Path) -> list[str]:
    """Return the command line that audits the table, always in portions."""
    line = [sys.executable, "-m", "audits.cli", "audit", "--predictions", str(table)]
    line += ["--label", "y", "--score", "score", "--patient", "patient", "--threshold", "0.4"]
    for name in GROUPS:
        line += ["--group", name]
    line += ["--intersect", ",".join(GROUPS), "--stream-above", "1000000"]
    return [*line, "--out", str(folder / "run"), "--store", str(folder / "store")]


def measure(rows: int, folder: Path) -> None:
    """Write the table, audit it and print what that took."""
    table = folder / "predictions.parquet"
    start = time.perf_counter()
    write_table(table, rows)
    drawn = time.perf_counter() - start
    size = table.stat().st_size / 1e9
    print(f"{rows:,} rows written in {drawn:.0f} s, {size:.2f} GB", flush=True)
    start = time.perf_counter()
    env = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command(table, folder), env=env)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
    print(f"exit status {process.returncode}")
    print(f"{rows:,} rows, streamed  {cpu:8.1f} CPU s  {wall:8.1f} s wall")
    print(f"{rows:,} rows, streamed  {used.ru_maxrss * 1024 / 1e9:8.2f} GB at most   goal 3 GB")


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Measure the audit of a table read in portions.")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where the table goes; a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auscult-bench-", dir=given.folder) as folder:
        measure(given.rows, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
