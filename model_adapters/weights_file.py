"""The file behind a model: inside its folder, of a format that runs no code, with the hash told.

Nothing is parsed here. The bytes that were hashed are the bytes that are handed on, so a file
that is swapped between the check and the parser is never read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from model_adapters.errors import AdapterError, UnsafeFormatError
from model_adapters.manifest import Manifest

_CONVERT = "turn its state dict into safetensors with `auscult model convert`"
_PICKLE = (
    "a pickle, which can run any code when it is opened",
    f"{_CONVERT}, or for scikit-learn, XGBoost and LightGBM save it again as .skops, .ubj or .txt",
)
_TORCH = (
    "a PyTorch checkpoint, which is a pickle and can run any code when it is opened",
    _CONVERT,
)
_EXPORT = (
    "a torch.export archive, which may carry pickles that are opened unasked",
    f"save the module's state dict and {_CONVERT}",
)
_KERAS = (
    "a Keras or HDF5 model, which may carry code that runs when it is opened",
    f"export it to ONNX, or port its weights to a state dict and {_CONVERT}",
)

_UNSAFE_SUFFIXES = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".sav"), _PICKLE),
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".tar", ".torch", ".jit"), _TORCH),
    ".pt2": _EXPORT,
    **dict.fromkeys((".h5", ".hdf5", ".keras"), _KERAS),
}
_PICKLE_PROTOCOLS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_ARCHIVES = (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda", b"BZh", b"\xfd7zXZ\x00")
_SAFETENSORS_HEADER = 100_000_000


def file_inside(manifest: Manifest, name: str, key: str) -> Path:
    """Return the path of a file named by the manifest.

    Args:
        manifest: The manifest that names it.
        name: File name, relative to the model folder.
        key: Dotted key that holds the name, for the message.

    Raises:
        AdapterError: If the file lies outside the model folder or does not exist.
    """
    path = (manifest.folder / name).resolve()
    if not path.is_relative_to(manifest.folder):
        msg = (
            f"{manifest.path}: {key}: must stay inside the model folder, found {name!r}; move the "
            "file into the folder."
        )
        raise AdapterError(msg)
    if not path.is_file():
        msg = (
            f"{manifest.path}: {key}: there is no file {name!r}; put it there or correct the name."
        )
        raise AdapterError(msg)
    return path


def verified_bytes(manifest: Manifest, name: str, sha256: str, key: str) -> bytes:
    """Return the bytes of a file of the model folder, after its format and hash were checked.

    Args:
        manifest: The manifest that names it.
        name: File name, relative to the model folder.
        sha256: The hash declared for it.
        key: Section that holds ``file`` and ``sha256``, for the message.

    Raises:
        UnsafeFormatError: If the name or the first bytes are those of a format that runs code.
        AdapterError: If the file is missing, lies outside, or has another hash.
    """
    path = file_inside(manifest, name, f"{key}.file")
    _refuse_suffix(manifest, path, key)
    data = path.read_bytes()
    _refuse_content(manifest, path, data, key)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        msg = (
            f"{manifest.path}: {key}.sha256: {path.name!r} has another hash, declared "
            f"{sha256[:12]}..., found {found[:12]}...; restore the file that was declared, or "
            "declare the new hash if the change is meant."
        )
        raise AdapterError(msg)
    return data


def check_looks_like(manifest: Manifest, data: bytes) -> None:
    """Refuse weights whose first bytes are not those of the declared format.

    Raises:
        AdapterError: In one sentence with the declared format and the file.
    """
    declared = manifest.weights.format
    if declared == "safetensors":
        size = int.from_bytes(data[:8], "little")
        good = size <= min(len(data) - 8, _SAFETENSORS_HEADER) and data[8:9] == b"{"
    elif declared == "xgboost":
        good = data[:1] == b"{"
    elif declared == "lightgbm":
        good = data[:4] == b"tree"
    elif declared == "skops":
        good = data[:4] == _ZIP
    else:
        good = bool(data)
    if not good:
        msg = (
            f"{manifest.path}: weights.file: {manifest.weights.file!r} is not a {declared} file; "
            "correct weights.format or save the model again in that format."
        )
        raise AdapterError(msg)


def _refuse_suffix(manifest: Manifest, path: Path, key: str) -> None:
    for suffix in path.suffixes[-2:]:
        if suffix.lower() in _UNSAFE_SUFFIXES:
            reason, remedy = _UNSAFE_SUFFIXES[suffix.lower()]
            msg = f"{manifest.path}: {key}.file: {path.name!r} is {reason}; {remedy}."
            raise UnsafeFormatError(msg)


def _refuse_content(manifest: Manifest, path: Path, data: bytes, key: str) -> None:
    """Recognise a dangerous file under a harmless name; only skops may be a zip."""
    if data.startswith(_PICKLE_PROTOCOLS):
        reason, remedy = _PICKLE
    elif data.startswith(_HDF5):
        reason, remedy = _KERAS
    elif data.startswith(_ZIP) and _is_pickle_zip(data, manifest, key):
        reason, remedy = _TORCH
    elif data.startswith(_ARCHIVES) or data[257:262] == b"ustar":
        reason, remedy = "a packed archive, whose content could be anything", _CONVERT
    else:
        return
    msg = f"{manifest.path}: {key}.file: {path.name!r} is, by its first bytes, {reason}; {remedy}."
    raise UnsafeFormatError(msg)


def _is_pickle_zip(data: bytes, manifest: Manifest, key: str) -> bool:
    return key != "weights" or manifest.weights.format != "skops" or b"data.pkl" in data
