"""Models behind an endpoint: scored, explained, and refused in one sentence."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from model_adapters import AdapterError, load_adapter

EHR = {"features": ["age", "crp"]}
TABLE = pd.DataFrame({"age": [50.0, 60.0, np.nan], "crp": [1.0, 20.0, 3.0]})


def _score(rows):
    known = [[0.0 if one is None else one for one in row] for row in rows]
    return [0.02 * age + 0.1 * crp + 0.001 * age * crp for age, crp in known]


@pytest.fixture
def server():
    """Serve until the test ends; ``mode`` says how well."""

    class Handler(BaseHTTPRequestHandler):
        mode = "well"
        asked = 0

        def do_POST(self):
            Handler.asked += 1
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent = body["inputs"][0]
            rows = np.asarray(sent["data"], dtype=object).reshape(sent["shape"]).tolist()
            answer = {"outputs": [{"name": "y", "data": _score(rows)}]}
            status = 200
            if Handler.mode == "stumbles" and Handler.asked == 1:
                status = 503
            elif Handler.mode == "fails":
                status = 500
            elif Handler.mode == "moved":
                status = 302
            elif Handler.mode == "short":
                answer["outputs"][0]["data"] = [1.0]
            elif Handler.mode == "nan":
                answer["outputs"][0]["data"] = [float("nan")] * len(rows)
            elif Handler.mode == "slow":
                Handler.wait.wait(60)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://192.0.2.1/elsewhere")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    Handler.wait = threading.Event()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.handler = Handler
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield httpd
    Handler.wait.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def _folder(write_model, url, extra=""):
    text = f'url = "{url}"\nrevision = "2026-10"\n{extra}'
    return write_model(
        text.encode(),
        weights={"format": "remote", "file": "endpoint.toml"},
        **{"inputs.ehr": EHR},
    )


def _url(server):
    return f"http://127.0.0.1:{server.server_port}/v2/models/risk/infer"


def test_scores_come_from_the_server_in_portions(write_model, server):
    adapter = load_adapter(_folder(write_model, _url(server), "max_rows = 2"))
    scores = adapter.predict(adapter.prepare({"ehr": TABLE}))
    assert scores[:, 0] == pytest.approx(_score([[50, 1], [60, 20], [0, 3]]))
    assert server.handler.asked == 2
    assert adapter.caps == {"remote"}


def test_a_server_that_stumbles_once_is_asked_again(write_model, server):
    server.handler.mode = "stumbles"
    adapter = load_adapter(_folder(write_model, _url(server)))
    assert adapter.predict(adapter.prepare({"ehr": TABLE})).shape == (3, 1)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fails", "status 500"),
        ("moved", "status 302"),
        ("short", "3 rows of 1 numbers"),
        ("nan", "no number"),
        ("slow", r"within 0\.2 seconds"),
    ],
)
def test_what_the_server_must_not_do_is_one_sentence(write_model, server, mode, said):
    server.handler.mode = mode
    # A busy machine may take its time; only the answer that is held back must come too late.
    patience = "timeout = 0.2" if mode == "slow" else ""
    adapter = load_adapter(_folder(write_model, _url(server), patience))
    with pytest.raises(AdapterError, match=said):
        adapter.predict(adapter.prepare({"ehr": TABLE}))


def test_only_hosts_that_the_user_named_are_called(write_model, monkeypatch):
    path = _folder(write_model, "http://models.hospital.example/infer")
    with pytest.raises(AdapterError, match="AUSCULT_REMOTE_HOSTS"):
        load_adapter(path)
    monkeypatch.setenv("AUSCULT_REMOTE_HOSTS", "other, models.hospital.example")
    assert load_adapter(path).card.format == "remote"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'url = "ftp://127.0.0.1/x"\nrevision = "1"', "url"),
        (b'url = "http://me@127.0.0.1/x"\nrevision = "1"', "url"),
        (b'url = "http://127.0.0.1/x"', "revision"),
        (b"url = ", "not valid TOML"),
    ],
)
def test_an_endpoint_that_is_none_is_refused(write_model, text, said):
    path = write_model(
        text, weights={"format": "remote", "file": "endpoint.toml"}, **{"inputs.ehr": EHR}
    )
    with pytest.raises(AdapterError, match=said):
        load_adapter(path)


def test_a_server_that_is_not_there_is_one_sentence(write_model):
    adapter = load_adapter(_folder(write_model, "http://127.0.0.1:9/infer"))
    with pytest.raises(AdapterError, match="does not score"):
        adapter.predict(adapter.prepare({"ehr": TABLE}))
