"""``auscult what-if`` and ``auscult explain --background`` on a study, a remote model included."""

from __future__ import annotations

import json
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from audits.cli.commands import auscult
from audits.errors import ExplanationError

STUDY = """
[study]
name = "far"
version = "1"
description = "Random numbers."
licence = "none"
[cases]
table = "cases.csv"
id = "case_id"
[labels.y]
column = "y"
positive = 1
[inputs.ehr]
variables = "variables.csv"
"""
MODEL = """
[model]
id = "far"
version = "1"
task = "binary"
outputs = ["y"]
space = "logit"
[weights]
format = "remote"
file = "endpoint.toml"
sha256 = "{sha}"
[inputs.ehr]
features = ["age", "lactate"]
"""


@pytest.fixture
def served():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent = body["inputs"][0]
            rows = np.array(sent["data"], dtype=float).reshape(sent["shape"])
            rows = np.nan_to_num(rows)
            scores = 0.03 * rows[:, 0] + 0.5 * rows[:, 1] - 3
            answer = json.dumps({"outputs": [{"data": scores.tolist()}]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/v2/models/far/infer"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def folders(tmp_path, served):
    study, model = tmp_path / "study", tmp_path / "model"
    study.mkdir()
    model.mkdir()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(20, 90, 80), "lactate": rng.gamma(2, 1, 80)})
    frame["sex"] = np.where(np.arange(80) % 2, "F", "M")
    frame["case_id"] = [f"c{i}" for i in range(80)]
    frame["y"] = (frame.lactate > 2).astype(int)
    frame.to_csv(study / "cases.csv", index=False)
    (study / "variables.csv").write_text(
        "name,label,unit,low,high,actionable,direction\nage,Age,a,,,false,\n"
        "lactate,Lactate,mmol/L,0.5,2.2,true,up\n"
    )
    (study / "study.toml").write_text(STUDY)
    endpoint = f'url = "{served}"\nrevision = "1"\n'.encode()
    (model / "endpoint.toml").write_bytes(endpoint)
    (model / "model.toml").write_text(MODEL.format(sha=sha256(endpoint).hexdigest()))
    return ["--study", str(study), "--model", str(model), "--case", "c3"]


def test_a_remote_model_is_explained_against_a_named_cohort(folders, tmp_path):
    out = tmp_path / "why"
    asked = ["explain", *folders, "--background", "age_sex", "--out", str(out)]
    done = CliRunner().invoke(auscult, asked, catch_exceptions=False)
    assert done.exit_code == 0
    said = json.loads((out / "explanation.json").read_text())
    assert said["background"]["cohort"] == "age_sex"
    assert {view["background"]["cohort"] for view in said["sensitivity"]} == {"all", "healthy"}
    assert said["additivity_residual"] < 1e-6
    assert "Lactate" in done.output


def test_what_if_says_what_the_output_would_be(folders, tmp_path):
    asked = ["what-if", *folders, "--set", "lactate=4.0 mmol/L", "--search", "--out", str(tmp_path)]
    done = CliRunner().invoke(auscult, asked, catch_exceptions=False)
    assert "The model's output would be probability" in done.output
    said = json.loads((tmp_path / "what_if.json").read_text())
    assert said["what_if"]["changes"][0]["to"] == 4.0
    assert said["search"]["variables"] == ["lactate"]
    assert CliRunner().invoke(auscult, ["what-if", *folders]).exit_code == 2


def test_a_value_that_cannot_be_is_refused(folders):
    with pytest.raises(ExplanationError, match="plausible range"):
        CliRunner().invoke(
            auscult, ["what-if", *folders, "--set", "lactate=400"], catch_exceptions=False
        )
