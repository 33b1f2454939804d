"""Read ``model.toml``: what a model declares about itself, validated before anything is loaded."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model_adapters.base import ModelCard, OutputSpec
from model_adapters.errors import AdapterError
from model_adapters.schema import (
    ArchitectureSection,
    CardSection,
    InputSection,
    ManifestDocument,
    PrecomputedSection,
    WeightsSection,
)

MANIFEST_NAME = "model.toml"

# Names pydantic puts into an error's path to say which variant of a union it tried.
_UNION_TAGS = frozenset({"image", "signal", "table", "sequence", "text", "numeric", "category"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The declarations of one model folder.

    Attributes:
        folder: The model folder, absolute.
        sha256: Hash of the bytes of ``model.toml``.
        card: Identity and the declared fields of ``[card]``.
        output: What the model returns.
        weights: ``[weights]``.
        inputs: ``[inputs.NAME]`` by name; empty for models that only bring predictions.
        architecture: ``[architecture]``, for safetensors only.
        precomputed: ``[precomputed]``, or None.
    """

    folder: Path
    sha256: str
    card: ModelCard
    output: OutputSpec
    weights: WeightsSection
    inputs: Mapping[str, InputSection]
    architecture: ArchitectureSection | None
    precomputed: PrecomputedSection | None

    @property
    def path(self) -> Path:
        """Return where the manifest stands."""
        return self.folder / MANIFEST_NAME


def read_manifest(folder: Path | str) -> Manifest:
    """Read and validate the manifest of a model folder; the weights are not touched.

    Args:
        folder: A folder that holds ``model.toml``.

    Returns:
        The validated declarations.

    Raises:
        AdapterError: In one sentence that names the file and the dotted key, if the folder or
            the manifest is missing, is not TOML, or does not say what it must.
    """
    root = Path(folder).resolve()
    path = root / MANIFEST_NAME
    if not root.is_dir():
        msg = f"{folder}: no such model folder; give a folder that holds {MANIFEST_NAME}."
        raise AdapterError(msg)
    if not path.is_file():
        msg = f"{folder}: holds no {MANIFEST_NAME}; write one that names the model and its weights."
        raise AdapterError(msg)
    raw = path.read_bytes()
    return _manifest(root, hashlib.sha256(raw).hexdigest(), _document(path, raw))


def _document(path: Path, raw: bytes) -> ManifestDocument:
    try:
        return ManifestDocument.model_validate(tomllib.loads(raw.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise AdapterError(f"{path}: is not UTF-8 text; save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise AdapterError(f"{path}: is not valid TOML ({error}); correct that line.") from error
    except ValidationError as error:
        raise AdapterError(_sentence(path, error)) from error


def _manifest(root: Path, sha256: str, document: ManifestDocument) -> Manifest:
    model = document.model
    return Manifest(
        folder=root,
        sha256=sha256,
        card=ModelCard(
            id=model.id,
            version=model.version,
            weights_sha256=document.weights.sha256,
            manifest_sha256=sha256,
            format=document.weights.format,
            declared=_declared(document.card),
        ),
        output=OutputSpec(
            task=model.task,
            names=model.outputs,
            space=model.space,
            thresholds=model.thresholds,
            thresholds_chosen_on=model.thresholds_chosen_on,
        ),
        weights=document.weights,
        inputs=document.inputs,
        architecture=document.architecture,
        precomputed=document.precomputed,
    )


def _declared(card: CardSection) -> dict[str, str]:
    """Flatten ``[card]`` to text: lists become "; "-joined, sub-tables dotted names."""
    flat: dict[str, str] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list):
            flat[prefix] = "; ".join(str(item) for item in value)
        else:
            flat[prefix] = str(value)

    add("", card)
    return flat


def _sentence(path: Path, error: ValidationError) -> str:
    """Say the first mistake in one sentence; the count of others follows in brackets."""
    details = error.errors(include_url=False)
    first = details[0]
    key = _dotted(first["loc"])
    where = f"{path}: {key}" if key else str(path)
    more = f" ({len(details) - 1} more to correct)" if len(details) > 1 else ""
    kind = first["type"]
    if kind == "missing":
        return f"{where}: is missing; add it{more}."
    if kind == "extra_forbidden":
        return f"{where}: is not a known key; correct its spelling or remove it{more}."
    if kind == "value_error":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}{more}."
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{where}: {message}, found {_shown(first['input'])}; correct it{more}."


def _dotted(location: tuple[int | str, ...]) -> str:
    parts: list[str] = []
    for index, part in enumerate(location):
        if isinstance(part, int):
            parts[-1] += f"[{part}]"
        elif not (part in _UNION_TAGS and _is_tag(location, index)):
            parts.append(part)
    return ".".join(parts)


def _is_tag(location: tuple[int | str, ...], index: int) -> bool:
    """Tell a union's tag from a key of the same name: it follows the input's name or an index."""
    return (index == 2 and location[0] == "inputs") or isinstance(location[index - 1], int)  # noqa: PLR2004 - inputs.NAME.tag


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - length of a line
