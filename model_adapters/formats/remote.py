"""A model behind an HTTP endpoint of the Open Inference Protocol (KServe, Triton), predict only.

The folder's ``weights.file`` is a small TOML file that names the endpoint. A folder cannot choose
whom this machine talks to: only the machine itself and hosts that its user names in the variable
``AUSCULT_REMOTE_HOSTS`` are called, redirects are not followed and proxies are not used. Rows go
in the body of the request, never in its address.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_adapters.base import Prepared
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.manifest import Manifest
from model_adapters.weights_file import verified_bytes

HOSTS_VARIABLE = "AUSCULT_REMOTE_HOSTS"
OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
ATTEMPTS = 2
PAUSE = 0.2
OK = 200
FIRST_SERVER_ERROR = 500
MOST_BYTES_PER_NUMBER = 64
ENVELOPE_BYTES = 1 << 20


class Endpoint(BaseModel):
    """What the endpoint's file says.

    Attributes:
        url: Where rows are sent, ``http(s)://HOST[:PORT]/v2/models/NAME/infer``.
        revision: Which weights the server holds; another revision is another model.
        timeout: Seconds to wait for an answer.
        max_rows: Rows per request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+/[^\s?#]*$")]
    revision: Annotated[str, Field(min_length=1)]
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 4096


class RemoteAdapter(DeclaredModel):
    """Asks an endpoint for scores; everything that needs no gradient works."""

    def __init__(self, manifest: Manifest, endpoint: Endpoint) -> None:
        super().__init__(manifest, caps=frozenset({"remote"}))
        self._endpoint = endpoint
        self._where = f"{manifest.path}: {manifest.weights.file}"

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``.

        Raises:
            AdapterError: If the endpoint cannot be reached in time, or answers anything but one
                finite number per row and output.
        """
        arrays = {name: np.asarray(value) for name, value in prepared.items()}
        count = len(next(iter(arrays.values())))
        step = self._endpoint.max_rows
        parts = [
            self._ask({name: value[at : at + step] for name, value in arrays.items()})
            for at in range(0, count, step)
        ]
        empty = np.empty((0, len(self.output.names)))
        return np.concatenate([empty, *parts])

    def _ask(self, rows: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        count = len(next(iter(rows.values())))
        body = json.dumps({"inputs": [_tensor(name, value) for name, value in rows.items()]})
        wanted = (count, len(self.output.names))
        most = ENVELOPE_BYTES + MOST_BYTES_PER_NUMBER * wanted[0] * wanted[1]
        answer = self._post(body.encode(), most)
        try:
            found = json.loads(answer)["outputs"][0]["data"]
            values = np.asarray(found, dtype=np.float64).reshape(wanted)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = (
                f"{self._where}: the endpoint must answer outputs[0].data with {wanted[0]} rows of "
                f"{wanted[1]} numbers, found something else; correct the server or model.outputs."
            )
            raise AdapterError(msg) from error
        if not np.isfinite(values).all():
            msg = f"{self._where}: the endpoint gave a score that is no number; correct the server."
            raise AdapterError(msg)
        return values

    def _post(self, body: bytes, most: int) -> bytes:
        """Send one request, once more where the server stumbled; scoring twice does no harm."""
        problem = "no answer"
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            try:
                status, answer = self._exchange(body, most)
            except TimeoutError:
                problem = f"no answer within {self._endpoint.timeout:g} seconds"
            except (OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
            else:
                if status == OK and len(answer) <= most:
                    return answer
                problem = "an answer too long" if status == OK else f"status {status}"
                if status < FIRST_SERVER_ERROR:
                    break
        msg = (
            f"{self._where}: the endpoint {self._endpoint.url} does not score, found {problem}; "
            "start the server, or correct url and timeout."
        )
        raise AdapterError(msg)

    def _exchange(self, body: bytes, most: int) -> tuple[int, bytes]:
        parts = urlsplit(self._endpoint.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._endpoint.timeout)
        try:
            connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read(most + 1)
        finally:
            connection.close()


def _tensor(name: str, values: npt.NDArray[Any]) -> dict[str, Any]:
    """Return one input of the protocol; what was not measured is null."""
    if not np.issubdtype(values.dtype, np.number):
        return {
            "name": name,
            "shape": list(values.shape),
            "datatype": "BYTES",
            "data": [str(one) for one in values.ravel()],
        }
    flat = values.astype(np.float64).ravel()
    return {
        "name": name,
        "shape": list(values.shape),
        "datatype": "FP64",
        "data": [None if np.isnan(one) else float(one) for one in flat],
    }


def load_remote(manifest: Manifest, device: str) -> RemoteAdapter:  # noqa: ARG001 - the server chooses its device
    """Open a folder of format ``remote``.

    Raises:
        AdapterError: If the endpoint's file is not as it must be, or its host was not allowed.
    """
    where = f"{manifest.path}: {manifest.weights.file}"
    try:
        endpoint = Endpoint.model_validate(
            tomllib.loads(verified_bytes(manifest, "weights").decode("utf-8"))
        )
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{where}: is not valid TOML ({error}); write url and revision."
        raise AdapterError(msg) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        msg = f"{where}: {key}: {first['msg'][0].lower()}{first['msg'][1:]}; correct it."
        raise AdapterError(msg) from error
    host = urlsplit(endpoint.url).hostname or ""
    named = {one.strip() for one in os.environ.get(HOSTS_VARIABLE, "").split(",")}
    if host not in OWN_HOSTS | (named - {""}):
        msg = (
            f"{where}: url: the host {host!r} was not allowed on this machine; if patients' values "
            f"may go there, add it to {HOSTS_VARIABLE}."
        )
        raise AdapterError(msg)
    return RemoteAdapter(manifest, endpoint)
