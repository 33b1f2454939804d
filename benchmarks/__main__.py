"""Run every benchmark that needs no GPU, one process each so that none warms another's caches."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "benchmarks.fairness",
    "benchmarks.streamed",
    "benchmarks.explanations",
    "benchmarks.imaging",
    "benchmarks.transformers",
    "benchmarks.viewer",
    "benchmarks.tables",
    "benchmarks.coverage",
    "benchmarks.comparison",
    "benchmarks.reports",
    "benchmarks.product",
    "benchmarks.dashboard",
    "benchmarks.browser",
)


def main() -> int:
    """Run the benchmarks in order and return how many failed."""
    failed = 0
    for module in MODULES:
        print(f"\n## {module}", flush=True)
        failed += subprocess.run([sys.executable, "-m", module], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
