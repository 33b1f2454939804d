"""ONNX graphs through onnxruntime: forward only, no code and no files beyond those declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import Prepared
from model_adapters.devices import select_device
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.formats.onnx_external import external_locations
from model_adapters.manifest import Manifest
from model_adapters.preprocessing.network_inputs import network_tensor
from model_adapters.schema_time import SequenceInput, TextInput
from model_adapters.spaces import columns_of
from model_adapters.weights_file import verified_bytes, verified_external

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_TOKENS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class OnnxAdapter(DeclaredModel):
    """A graph with an input for each declared one; its device is the one onnxruntime really uses.

    A graph with several inputs names them as the manifest does. Sequences reach the graph as
    their declared channels, texts as token numbers.
    """

    def __init__(self, manifest: Manifest, session: Any, *, device: str) -> None:
        super().__init__(manifest, device=device)
        self._session = session
        taken = session.get_inputs()
        names = list(manifest.inputs)
        graph = {names[0]: taken[0]} if len(taken) == 1 else {one.name: one for one in taken}
        self._taken = {name: graph[name].name for name in names}
        self._dtypes = {name: {**_FLOATS, **_TOKENS}[graph[name].type] for name in names}
        first = taken[0].shape[0] if taken[0].shape else None
        self._fixed = first if isinstance(first, int) and first > 0 else None
        self._given = _output_name(manifest, session)

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``; the graph must give that space itself.

        A graph exported for a fixed number of cases is run in blocks of that size.
        """
        rows = {
            self._taken[name]: np.ascontiguousarray(self._array(name, prepared[name]), dtype=dtype)
            for name, dtype in self._dtypes.items()
        }
        values = self._run(rows) if self._fixed is None else self._run_fixed(rows, self._fixed)
        squashed = self.output.space == "probability"
        shaped: npt.NDArray[np.float64] = columns_of(
            np.asarray(values, dtype=np.float64), self.output, squashed=squashed
        )
        return shaped

    def _array(self, name: str, values: Any) -> npt.NDArray[Any]:
        spec = self.preprocessing.sections[name]
        if isinstance(spec, (SequenceInput, TextInput)):
            return network_tensor(self.preprocessing, name, values, "cpu").numpy()
        return np.asarray(values)

    def _run(self, rows: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        (values,) = self._session.run([self._given], dict(rows))
        return np.asarray(values)

    def _run_fixed(self, rows: Mapping[str, npt.NDArray[Any]], size: int) -> npt.NDArray[Any]:
        parts = []
        total = len(next(iter(rows.values())))
        for start in range(0, total, size):
            block = {name: value[start : start + size] for name, value in rows.items()}
            count = min(size, total - start)
            padded = {
                name: np.concatenate([value, np.repeat(value[-1:], size - count, axis=0)])
                for name, value in block.items()
            }
            parts.append(self._run(padded)[:count])
        return np.concatenate(parts) if parts else np.zeros((0, len(self.output.names)))


def load_onnx(manifest: Manifest, device: str) -> OnnxAdapter:
    """Open a folder of format ``onnx``.

    Raises:
        AdapterError: If the file is not as declared, keeps tensors in files that are undeclared
            or outside the folder, or does not take the declared inputs.
        DeviceError: If the device is not there.
    """
    where = str(manifest.path)
    data = verified_bytes(manifest, "weights")
    external = _external(manifest, data)
    session, used = _session(data, external, where, device)
    _check_inputs(manifest, session)
    return OnnxAdapter(manifest, session, device=used)


def _check_inputs(manifest: Manifest, session: Any) -> None:
    """Compare the graph's inputs with the declared ones: by name, or the only one of each."""
    taken = {one.name: one.type for one in session.get_inputs()}
    wanted = manifest.inputs
    fits = len(taken) == len(wanted) and (len(taken) == 1 or set(taken) == set(wanted))
    for name, spec in wanted.items() if fits else ():
        kind = taken[name] if len(taken) > 1 else next(iter(taken.values()))
        fits &= kind in (_TOKENS if isinstance(spec, TextInput) else _FLOATS)
    if not fits:
        msg = (
            f"{manifest.path}: inputs: the graph takes {list(taken.items())}, the manifest "
            f"declares {list(wanted)}; one floating-point input is supported for each declared "
            "one, of the same name where there are several, and token numbers for a text."
        )
        raise AdapterError(msg)


def _external(manifest: Manifest, data: bytes) -> dict[str, bytes]:
    """Return the verified content of every external file; each must be declared with its hash."""
    try:
        names = external_locations(data)
    except ValueError as error:
        msg = f"{manifest.path}: weights.file: is not an ONNX file ({error}); export it again."
        raise AdapterError(msg) from error
    return {name: verified_external(manifest, name) for name in names}


def _session(data: bytes, external: dict[str, bytes], where: str, device: str) -> tuple[Any, str]:
    try:
        import onnxruntime as ort
    except (ImportError, OSError) as error:
        msg = f"{where}: weights.format: onnxruntime cannot be used here ({error}); install it."
        raise AdapterError(msg) from error
    options = ort.SessionOptions()
    options.log_severity_level = 4  # its messages end in one sentence of ours
    options.use_deterministic_compute = True
    if external:
        options.add_external_initializers_from_files_in_memory(
            list(external), list(external.values()), [len(part) for part in external.values()]
        )
    on_gpu = device in {"auto", "cuda"} and "CUDAExecutionProvider" in ort.get_available_providers()
    used = "cuda" if on_gpu and select_device(device) == "cuda" else "cpu"
    wanted = ["CUDAExecutionProvider"] if used == "cuda" else []
    try:
        session = ort.InferenceSession(data, options, providers=[*wanted, "CPUExecutionProvider"])
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        msg = f"{where}: weights.file: onnxruntime cannot run it ({reason}); export it again."
        raise AdapterError(msg) from error
    return session, used


def _output_name(manifest: Manifest, session: Any) -> str:
    outputs: dict[str, str] = {out.name: out.type for out in session.get_outputs()}
    floats = [name for name, kind in outputs.items() if kind in _FLOATS]
    declared = manifest.weights.output
    if declared is None and len(floats) == 1:
        return floats[0]
    if declared is not None and declared in floats:
        return declared
    msg = (
        f"{manifest.path}: weights.output: name the graph's output that holds the scores, one of "
        f"{floats}, found {declared!r}."
    )
    raise AdapterError(msg)
