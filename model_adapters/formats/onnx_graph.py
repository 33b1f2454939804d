"""ONNX graphs through onnxruntime: forward only, no code and no files beyond those declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_adapters.base import Prepared
from model_adapters.devices import select_device
from model_adapters.errors import AdapterError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.formats.onnx_external import external_locations
from model_adapters.manifest import Manifest
from model_adapters.spaces import columns_of
from model_adapters.weights_file import verified_bytes, verified_external

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class OnnxAdapter(DeclaredModel):
    """A graph with one input; its device is the one onnxruntime really uses."""

    def __init__(self, manifest: Manifest, session: Any, *, device: str) -> None:
        super().__init__(manifest, device=device)
        self._session = session
        (taken,) = session.get_inputs()
        self._taken = taken.name
        self._dtype = _FLOATS[taken.type]
        first = taken.shape[0] if taken.shape else None
        self._fixed = first if isinstance(first, int) and first > 0 else None
        self._given = _output_name(manifest, session)

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``; the graph must give that space itself.

        A graph exported for a fixed number of cases is run in blocks of that size.
        """
        (field,) = self.inputs
        rows = np.ascontiguousarray(np.asarray(prepared[field.name]), dtype=self._dtype)
        values = self._run(rows) if self._fixed is None else self._run_fixed(rows, self._fixed)
        squashed = self.output.space == "probability"
        shaped: npt.NDArray[np.float64] = columns_of(
            np.asarray(values, dtype=np.float64), self.output, squashed=squashed
        )
        return shaped

    def _run(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        (values,) = self._session.run([self._given], {self._taken: rows})
        return np.asarray(values)

    def _run_fixed(self, rows: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
        parts = []
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            padded = np.concatenate([block, np.repeat(block[-1:], size - len(block), axis=0)])
            parts.append(self._run(padded)[: len(block)])
        return np.concatenate(parts) if parts else np.zeros((0, len(self.output.names)))


def load_onnx(manifest: Manifest, device: str) -> OnnxAdapter:
    """Open a folder of format ``onnx``.

    Raises:
        AdapterError: If the file is not as declared, keeps tensors in files that are undeclared
            or outside the folder, or does not take one floating-point input.
        DeviceError: If the device is not there.
    """
    where = str(manifest.path)
    data = verified_bytes(manifest, "weights")
    if len(manifest.inputs) != 1:
        msg = (
            f"{where}: inputs: an ONNX model takes one input here, found {list(manifest.inputs)}; "
            "declare the one it takes."
        )
        raise AdapterError(msg)
    external = _external(manifest, data)
    session, used = _session(data, external, where, device)
    taken = session.get_inputs()
    if len(taken) != 1 or taken[0].type not in _FLOATS:
        msg = (
            f"{where}: weights.file: the graph takes {[(t.name, t.type) for t in taken]}, but one "
            "floating-point input is supported; export the network alone, with one input."
        )
        raise AdapterError(msg)
    return OnnxAdapter(manifest, session, device=used)


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
