"""Versions that do not match in outputs, order, cases or thresholds: joined, restricted or refused.

Everything that is left out is said by the command, and stands among the run's findings.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from audits.reporting.compared_cases import compared_words
from audits.reporting.release import restrict
from audits.storage import open_run

N = 400


@pytest.fixture
def write(tmp_path):
    """Write a study of two labels and a third without a model; return a writer of versions."""
    rng = np.random.default_rng(8)
    labels = {name: rng.integers(0, 2, N) for name in ("mass", "nodule", "edema")}
    ids = [f"c{at}" for at in range(N)]
    folder = tmp_path / "study"
    folder.mkdir()
    cases = pd.DataFrame({"case_id": ids, "sex": rng.choice(["F", "M"], N), **labels})
    cases.to_csv(folder / "cases.csv", index=False)
    (folder / "study.toml").write_text(
        '[study]\nname = "films"\nversion = "1"\n[cases]\ntable = "cases.csv"\n'
        + "".join(f'[labels.{name}]\ncolumn = "{name}"\n' for name in labels)
        + '[groups.sex]\ncolumn = "sex"\n',
        encoding="utf-8",
    )
    scores = {name: np.clip(0.4 * y + 0.6 * rng.random(N), 0, 1) for name, y in labels.items()}

    def version(name, outputs, *, rows=slice(None), thresholds=None):
        place = tmp_path / name
        place.mkdir()
        frame = pd.DataFrame({"case_id": ids, **{one: scores[one] for one in outputs}})
        frame.iloc[rows].to_csv(place / "scores.csv", index=False)
        sha = hashlib.sha256((place / "scores.csv").read_bytes()).hexdigest()
        quoted = ", ".join(f'"{one}"' for one in outputs)
        (place / "model.toml").write_text(
            f'[model]\nid = "cxr"\nversion = "{name}"\ntask = "multilabel"\noutputs = [{quoted}]\n'
            f'space = "probability"\nthresholds = {thresholds or [0.5] * len(outputs)}\n'
            f'[weights]\nformat = "predictions"\nfile = "scores.csv"\nsha256 = "{sha}"\n',
            encoding="utf-8",
        )
        return place

    return version


def compared(auscult, tmp_path, base, candidate):
    command = ["compare", "--study", tmp_path / "study", "--base", base, "--candidate", candidate]
    return auscult(*command, "--out", tmp_path / "run")


def test_what_matches_is_compared_and_the_rest_is_said(auscult, tmp_path, write):
    base = write("1", ["mass", "edema"])
    # Other outputs in another order, other cases in another order, another threshold.
    rows = slice(N, 20, -1)
    candidate = write("2", ["nodule", "mass"], rows=rows, thresholds=[0.5, 0.7])
    ended = compared(auscult, tmp_path, base, candidate)
    assert ended.code == 0, ended.err
    evidence = open_run(tmp_path / "run").evidence
    (output,) = evidence["comparison"]["outputs"]
    everybody = output["groups"][0]
    assert (output["name"], everybody["n"]) == ("mass", N - 21)
    left = {"base_only": 21, "candidate_only": 0, "unmeasured": 0}
    assert output["cases"] == {"compared": N - 21, **left}
    assert evidence["comparison"]["not_compared"] == [
        {"name": "edema", "given_by": "base"},
        {"name": "nodule", "given_by": "candidate"},
    ]
    assert list(compared_words(evidence["comparison"], output)) == [
        "379 cases compared that both versions scored; left out: 21 scored by cxr 1 only.",
        (
            "Calls are made from 0.500 on by cxr 1, from 0.700 on by cxr 2: rates compare these "
            "decisions."
        ),
        "edema is given by cxr 1 only and not compared.",
        "nodule is given by cxr 2 only and not compared.",
    ]
    masked = restrict(open_run(tmp_path / "run").exact, cell=25)["comparison"]["outputs"][0]
    assert masked["cases"] == dict.fromkeys(output["cases"]) | {"suppressed": True}
    # The same scores under the same name and case: nothing differs, with p 1 and no NaN.
    auroc = everybody["metrics"]["auroc"]
    assert (auroc["delta"]["value"], auroc["p"]) == (0.0, 1.0)
    noted = " ".join(one["message"] for one in evidence["findings"])
    for said in (
        "edema is given by cxr@1 only and is not compared",
        "nodule is given by cxr@2 only and is not compared",
        "mass: 21 cases were scored by cxr@1 only; left out",
        "mass: the base decides at 0.5, the candidate at 0.7; rates compare the decisions",
    ):
        assert said in noted
        assert said in ended.out


def test_versions_without_a_common_output_are_refused(auscult, tmp_path, write):
    ended = compared(auscult, tmp_path, write("1", ["mass"]), write("2", ["nodule"]))
    assert ended.code == 2
    assert "cxr@1 gives mass and cxr@2 gives nodule: no output has the same name" in ended.err
    assert not (tmp_path / "run").exists()


def test_versions_without_a_common_case_are_refused(auscult, tmp_path, write):
    base = write("1", ["mass"], rows=slice(None, 200))
    ended = compared(auscult, tmp_path, base, write("2", ["mass"], rows=slice(200, None)))
    assert ended.code == 2
    assert "cxr@1 and cxr@2 scored no case in common" in ended.err
