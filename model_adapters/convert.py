"""From a PyTorch checkpoint to a model folder that is safe to hand around."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model_adapters.architectures import Network, build_network
from model_adapters.architectures.loading import load_tensors, parse_tensors
from model_adapters.conversion_manifest import WEIGHTS_NAME, manifest_document
from model_adapters.errors import AdapterError, UnsafeFormatError
from model_adapters.manifest import MANIFEST_NAME, read_manifest
from model_adapters.schema import ArchitectureSection
from model_adapters.writing import manifest_text

_GIB = 2**30
_ONLY_TENSORS = "save model.state_dict() alone with torch.save and convert that file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What the process that opens a foreign file may take.

    Attributes:
        memory_gib: Address space; PyTorch itself maps several.
        seconds: Processor time and waiting time.
    """

    memory_gib: int = 16
    seconds: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A converted model.

    Attributes:
        folder: The model folder.
        weights_sha256: Hash of its weights.
        tensors: Number of tensors.
        assumed: What was not given and had to be assumed, one sentence each; check every one.
    """

    folder: Path
    weights_sha256: str
    tensors: int
    assumed: tuple[str, ...]


def convert_checkpoint(
    source: Path | str,
    out: Path | str,
    *,
    architecture: str,
    args: Mapping[str, Any] | None = None,
    declared: Mapping[str, Mapping[str, Any]] | None = None,
    isolation: Isolation = Isolation(),
) -> Conversion:
    """Convert a PyTorch state dict into a safetensors model folder.

    The checkpoint is opened in an isolated process that may build tensors and nothing else. Its
    tensors must match the architecture one to one.

    Args:
        source: A file written by ``torch.save``: a state dict, or a training checkpoint with one;
            safetensors are taken as they are.
        out: The folder to make; it must not exist, or be empty.
        architecture: A registered name.
        args: Its arguments; for ``sequential`` ``{"layers": [...]}``.
        declared: Sections of the manifest: ``model`` and ``inputs``, of which what is absent is
            assumed; ``architecture`` for ``key_map``, ``target_layer`` and ``tokens``; ``card``.
        isolation: Limits of the isolated process.

    Returns:
        Where the folder is and what had to be assumed.

    Raises:
        UnsafeFormatError: If the file holds more than tensors, such as a whole module.
        AdapterError: If it is missing, unreadable, or does not match the architecture.
    """
    path, folder = Path(source), Path(out)
    _check_paths(path, folder)
    sections = declared or {}
    section = _section(architecture, args or {}, sections.get("architecture", {}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".convert-") as work:
        made = Path(work) / "model"
        made.mkdir()
        weights = made / WEIGHTS_NAME
        if path.suffix == ".safetensors":
            shutil.copyfile(path, weights)
        else:
            _read_isolated(path, weights, isolation)
        network, count = _filled(section, weights, str(path))
        document, assumed = manifest_document(network, section, sections)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        document["weights"] |= {"sha256": digest}
        notes = {"assumed_by_the_converter": list(assumed)} if assumed else {}
        document["card"] = {**sections.get("card", {}), "converted_from": path.name, **notes}
        (made / MANIFEST_NAME).write_text(manifest_text(document), encoding="utf-8")
        _check_manifest(made, folder)
        if folder.exists():
            folder.rmdir()
        shutil.move(made, folder)
    return Conversion(folder=folder, weights_sha256=digest, tensors=count, assumed=assumed)


def _check_manifest(made: Path, folder: Path) -> None:
    """Refuse what was declared wrongly before the folder appears, under the name it will have."""
    try:
        read_manifest(made)
    except AdapterError as error:
        raise AdapterError(str(error).replace(str(made.resolve()), str(folder))) from error


def _check_paths(source: Path, out: Path) -> None:
    if not source.is_file():
        raise AdapterError(f"{source}: no such file; give a checkpoint written by torch.save.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AdapterError(f"{out}: exists already; give --out a new or empty folder.")


def _section(name: str, args: Mapping[str, Any], further: Mapping[str, Any]) -> ArchitectureSection:
    given: dict[str, Any] = {**further, "name": name}
    given |= {"layers": args.get("layers", [])} if name == "sequential" else {"args": args}
    try:
        return ArchitectureSection.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "architecture"
        msg = f"--args: {where}: {first['msg'].removeprefix('Value error, ')}; correct it."
        raise AdapterError(msg) from error


def _read_isolated(source: Path, target: Path, limits: Isolation) -> None:
    """Let the isolated process write the tensors of ``source`` to ``target``."""
    keep = {k: v for k, v in os.environ.items() if k in {"PATH", "SYSTEMROOT", "LD_LIBRARY_PATH"}}
    script = str(Path(__file__).with_name("conversion_worker.py"))
    try:
        done = subprocess.run(  # noqa: S603 - our own script with the running interpreter
            [sys.executable, "-I", script, str(source.resolve()), str(target),
             str(limits.memory_gib * _GIB), str(limits.seconds)],
            env={**keep, "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "OMP_NUM_THREADS": "1",
                 "HOME": str(target.parent), "TMPDIR": str(target.parent)},
            cwd=target.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.seconds,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        msg = (
            f"{source}: was not read within {limits.seconds} s; check the file or allow more time."
        )
        raise AdapterError(msg) from error
    try:
        answer = json.loads(done.stdout.decode("utf-8").strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        msg = (
            f"{source}: the process that reads it ended with code {done.returncode}; the file is "
            "broken or needs more memory than it may take."
        )
        raise AdapterError(msg) from error
    if "tensors" not in answer:
        raise _refusal(source, str(answer.get("refused")), str(answer.get("reason")))


def _refusal(source: Path, kind: str, reason: str) -> AdapterError:
    if kind == "code":
        return UnsafeFormatError(
            f"{source}: holds more than tensors ({reason}), as whole-module checkpoints do, and "
            f"opening it could run code; {_ONLY_TENSORS}."
        )
    if kind == "torchscript":
        return UnsafeFormatError(
            f"{source}: is a TorchScript program, which runs code; {_ONLY_TENSORS}."
        )
    if kind == "no state dict":
        return AdapterError(
            f"{source}: holds no state dict, found a {reason} without one; {_ONLY_TENSORS}."
        )
    return AdapterError(
        f"{source}: PyTorch cannot read it as a checkpoint ({reason}); {_ONLY_TENSORS}."
    )


def _filled(section: ArchitectureSection, weights: Path, where: str) -> tuple[Network, int]:
    network = build_network(section, where)
    tensors = parse_tensors(weights.read_bytes(), where)
    load_tensors(network, tensors, where)
    network.module.eval()
    return network, len(tensors)
