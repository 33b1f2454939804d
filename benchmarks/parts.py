"""Explanations over time, over text and over several inputs, each case in a process of its own.

    python -m benchmarks.parts

Cold is what a reader waits for once the server runs: the study and the model are opened, and the
first case is explained. Importing the libraries is timed apart. The error is that of the windows
of one case against a long run, relative to its largest effect.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

STUDY = Path(__file__).parents[1] / "sample_data" / "icu_multimodal"
CASE = "M03929"
MODELS = ("gru-1.0", "transformer-1.0", "notes-1.0", "fusion-1.0")
REPEATS = 3


def cold(model: str) -> tuple[float, float, float]:
    """Return CPU seconds of imports, CPU seconds and wall seconds of the first explained case."""
    import torch

    torch.set_num_threads(1)
    start = time.process_time()
    from audits.cohorts import open_study
    from audits.explanations import explain_adapter_case
    from audits.explanations.parts import fusion, notes, sequences
    from model_adapters import load_adapter

    del fusion, notes, sequences
    imports = time.process_time() - start
    start, wall = time.process_time(), time.monotonic()
    adapter = load_adapter(STUDY / "models" / model, device="cpu")
    explain_adapter_case(open_study(STUDY), adapter, _case_of(model))
    return imports, time.process_time() - start, time.monotonic() - wall


def error_against_a_long_run(model: str) -> tuple[float, ...]:
    """Return the error of the windows of one case, and the standard errors told with them."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    from audits.cohorts import open_study
    from audits.explanations.parts.sequences import explain_by_sequence
    from audits.explanations.request import open_request
    from audits.explanations.shapley import Stop
    from model_adapters import load_adapter

    adapter = load_adapter(STUDY / "models" / model, device="cpu")
    request = open_request(open_study(STUDY), adapter, CASE)
    quick = explain_by_sequence(request, "shapley", fine=False)
    stop = Stop(relative=0.0, absolute=0.0, min_cycles=120, max_cycles=120, seconds=600.0)
    long = explain_by_sequence(request, "shapley", fine=False, stop=stop)
    found, truth = (np.array([p.effect for p in one.players]) for one in (quick, long))
    told = np.array([p.se or 0.0 for p in quick.players])
    largest = np.abs(truth).max()
    return tuple(float(np.sqrt((one**2).mean()) / largest) for one in (found - truth, told))


def _case_of(model: str) -> str:
    """Return a case that the model can be shown: the fusion needs one with a radiograph."""
    return "M03598" if model.startswith("fusion") else CASE


def main() -> None:
    """Print every figure."""
    if len(sys.argv) > 1:
        print(*cold(sys.argv[1]))
        return
    print("| model | imports, CPU s | first case cold, CPU s | wall s |")
    print("|---|---|---|---|")
    for model in MODELS:
        runs = []
        for _ in range(REPEATS):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.parts", model],
                check=True,
                capture_output=True,
                text=True,
            )
            runs.append([float(value) for value in done.stdout.split()])
        imports, used, waited = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {model} | {imports:.2f} | {used:.2f} | {waited:.2f} |", flush=True)
    for model in MODELS[:2]:
        error, told = error_against_a_long_run(model)
        print(
            f"{model}: root mean square error {error:.2%} of the largest effect, standard errors "
            f"{told:.2%}"
        )


if __name__ == "__main__":
    main()
