"""The file behind a model: inside its folder, of a format that runs no code, with the hash told.

Nothing is parsed here. The bytes that were hashed are the bytes that are handed on, so a file
that is swapped between the check and the parser is never read.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Literal

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
_PACKED = (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda", b"BZh", b"\xfd7zXZ\x00")
_SAFETENSORS_HEADER = 100_000_000
# First bytes that a file of the format always has; the others are told apart by their parser.
_SIGNED = {"safetensors": b"", "hf": b"", "skops": _ZIP, "xgboost": b"{", "lightgbm": b"tree"}


def verified_bytes(manifest: Manifest, section: Literal["weights", "precomputed"]) -> bytes:
    """Return the bytes of the file a section names, after its format and hash were checked.

    Args:
        manifest: The manifest that names it.
        section: The section that holds ``file`` and ``sha256``.

    Raises:
        UnsafeFormatError: If the name or the first bytes are those of a format that runs code.
        AdapterError: If the file is missing, lies outside the folder, is not of the declared
            format, or has another hash.
    """
    declared = manifest.weights if section == "weights" else manifest.precomputed
    if declared is None:
        raise AdapterError(f"{manifest.path}: {section}: is not declared; add [{section}].")
    key = f"{manifest.path}: {section}"
    path = _file_inside(manifest, declared.file, f"{section}.file")
    _refuse_name(path, key)
    data = path.read_bytes()
    _refuse_content(path, data, key, manifest.weights.format if section == "weights" else "")
    _compare(f"{key}.sha256", path, data, declared.sha256)
    if section == "weights" and manifest.weights.format == "skops":
        _refuse_members(path, data, key)
    return data


def verified_external(manifest: Manifest, name: str) -> bytes:
    """Return the bytes of a further file of the model, such as tensors beside an ONNX graph.

    They hold numbers or JSON, so only place and hash are checked.

    Args:
        manifest: The manifest, which must list the file with its hash.
        name: The name as the graph or the format writes it.

    Raises:
        AdapterError: If the file lies outside the folder, is missing, undeclared or altered.
    """
    path = _file_inside(manifest, name, "weights.external")
    if name not in manifest.weights.external:
        msg = (
            f"{manifest.path}: weights.external: the graph keeps tensors in {name!r}, whose hash "
            f'is not declared; write external = {{ "{name}" = its sha256 }} under [weights].'
        )
        raise AdapterError(msg)
    data = path.read_bytes()
    key = f"{manifest.path}: weights.external"
    _compare(key, path, data, manifest.weights.external[name])
    return data


def verified_side_file(manifest: Manifest, name: str, sha256: str, key: str) -> bytes:
    """Return the bytes of a file that a key other than ``weights`` names with its hash.

    Args:
        manifest: The manifest.
        name: The file, relative to the model folder.
        sha256: Its declared hash.
        key: The key that names it, for messages.

    Raises:
        AdapterError: If the file lies outside the folder, is missing or altered.
    """
    path = _file_inside(manifest, name, key)
    data = path.read_bytes()
    _compare(f"{manifest.path}: {key}_sha256", path, data, sha256)
    return data


def _file_inside(manifest: Manifest, name: str, key: str) -> Path:
    path = (manifest.folder / name).resolve()
    if not path.is_relative_to(manifest.folder):
        msg = (
            f"{manifest.path}: {key}: must stay inside the model folder, found {name!r}; move the "
            "file into the folder."
        )
        raise AdapterError(msg)
    if not path.is_file():
        msg = f"{manifest.path}: {key}: there is no file {name!r}; put it there or correct it."
        raise AdapterError(msg)
    return path


def _compare(key: str, path: Path, data: bytes, declared: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != declared:
        msg = (
            f"{key}: {path.name!r} has another hash, declared {declared[:12]}..., found "
            f"{found[:12]}...; restore the file that was declared, or declare the new hash if the "
            "change is meant."
        )
        raise AdapterError(msg)


def _refuse_name(path: Path, key: str) -> None:
    if path.suffix.lower() in _UNSAFE_SUFFIXES:
        reason, remedy = _UNSAFE_SUFFIXES[path.suffix.lower()]
        raise UnsafeFormatError(f"{key}.file: {path.name!r} is {reason}; {remedy}.")


def _refuse_content(path: Path, data: bytes, key: str, declared: str) -> None:
    """Refuse a file that is not what it is declared to be, with the reason if it is dangerous."""
    if _looks_like(data, declared):
        return
    if data.startswith(_PICKLE_PROTOCOLS):
        reason, remedy = _PICKLE
    elif data.startswith(_HDF5):
        reason, remedy = _KERAS
    elif data.startswith(_ZIP):
        reason, remedy = _TORCH
    elif data.startswith(_PACKED) or data[257:262] == b"ustar":
        reason, remedy = "a packed archive, whose content could be anything", _CONVERT
    elif declared in _SIGNED:
        msg = (
            f"{key}.file: {path.name!r} is not a {declared} file; correct weights.format or "
            "save the model again in that format."
        )
        raise AdapterError(msg)
    else:
        return
    msg = f"{key}.file: {path.name!r} is, by its first bytes, {reason}; {remedy}."
    raise UnsafeFormatError(msg)


def _looks_like(data: bytes, declared: str) -> bool:
    """Recognise the formats whose first bytes tell them apart from everything else."""
    if declared in {"safetensors", "hf"}:
        size = int.from_bytes(data[:8], "little")
        return size <= min(len(data) - 8, _SAFETENSORS_HEADER) and data[8:9] == b"{"
    if declared == "skops":
        return data.startswith(_ZIP)
    return data.startswith(_SIGNED.get(declared, b"\0no format"))


def _refuse_members(path: Path, data: bytes, key: str) -> None:
    """Tell a skops file from the other zips that models come in, by the names of its members."""
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        names = []
    if any(name.endswith(".pkl") for name in names):
        reason, remedy = _TORCH
        raise UnsafeFormatError(f"{key}.file: {path.name!r} holds {reason}; {remedy}.")
    if "schema.json" not in names:
        msg = f"{key}.file: {path.name!r} is not a whole skops file; save the model again."
        raise AdapterError(msg)
