"""Text classifiers in the Hugging Face layout: safetensors, a configuration and a tokenizer.

Everything comes from the model folder and is compared with its declared hash before it is parsed;
nothing is downloaded, and no code of a repository runs: the network is one of the library's own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_adapters.architectures.loading import parse_tensors
from model_adapters.base import Prepared, TextTokens
from model_adapters.devices import select_device
from model_adapters.errors import AdapterError, UnsafeFormatError
from model_adapters.formats.declared import DeclaredModel
from model_adapters.manifest import Manifest
from model_adapters.preprocessing.network_inputs import network_tensors
from model_adapters.schema_time import TextInput
from model_adapters.spaces import columns_of, squash_tensor
from model_adapters.weights_file import verified_bytes, verified_external

CONFIG, TOKENIZER = "config.json", "tokenizer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceEncoder:
    """A tokenizer of the ``tokenizers`` library, with where each token stands.

    Attributes:
        cutting: Tokenizer that cuts at the declared length.
        whole: The same without a cut, to count what is left out.
        padding: The number that stands for no token.
        places: Token to number.
    """

    cutting: Any
    whole: Any
    padding: int
    places: Mapping[str, int]

    def encode(self, text: str) -> TextTokens:
        """Return the tokens the model reads of a text, and how many it has."""
        found = self.cutting.encode(text)
        return TextTokens(
            ids=tuple(found.ids),
            spans=tuple(
                (0, 0) if special else (int(start), int(end))
                for (start, end), special in zip(
                    found.offsets, found.special_tokens_mask, strict=True
                )
            ),
            total=len(self.whole.encode(text).ids),
        )


class HuggingFaceAdapter(DeclaredModel):
    """A sequence classifier of ``transformers``, frozen, in evaluation mode."""

    def __init__(
        self, manifest: Manifest, module: Any, encoder: HuggingFaceEncoder, *, device: str
    ) -> None:
        (name,) = manifest.inputs
        super().__init__(manifest, device=device, encoders={name: encoder})
        self.lock = threading.RLock()
        self._name = name
        self._padding = encoder.padding
        self._module = module.eval().requires_grad_(requires_grad=False).to(device)

    def predict(self, prepared: Prepared) -> npt.NDArray[np.float64]:
        """Return (n, outputs) in ``output.space``; padding is masked out of the attention."""
        import torch

        with self.lock, torch.inference_mode():
            ids = network_tensors(self.preprocessing, prepared, self.device)[self._name]
            longest = max(1, int((ids != self._padding).sum(dim=1).max())) if len(ids) else 1
            ids = ids[:, :longest]
            returned = self._module(input_ids=ids, attention_mask=(ids != self._padding).long())
            columns = columns_of(returned.logits, self.output, squashed=False)
            if self.output.space == "probability":
                columns = squash_tensor(columns, self.output)
        return np.asarray(columns.to("cpu", torch.float64).numpy())


def load_hf(manifest: Manifest, device: str) -> HuggingFaceAdapter:
    """Open a folder of format ``hf``: ``config.json`` and ``tokenizer.json`` beside the weights.

    Raises:
        UnsafeFormatError: If the configuration asks for code of its own.
        AdapterError: If a file is missing, altered or does not fit, or the extra is not installed.
        DeviceError: If the device is not there.
    """
    where = str(manifest.path)
    spec = _text_input(manifest)
    data = verified_bytes(manifest, "weights")
    files = {name: _declared(manifest, name) for name in (CONFIG, TOKENIZER)}
    chosen = select_device(device)
    module, padding = _network(files[CONFIG], where)
    _fill(module, parse_tensors(data, where), where)
    encoder = _encoder(files[TOKENIZER], spec, padding, where)
    return HuggingFaceAdapter(manifest, module, encoder, device=chosen)


def _text_input(manifest: Manifest) -> TextInput:
    texts = [spec for spec in manifest.inputs.values() if isinstance(spec, TextInput)]
    if len(texts) != 1 or len(manifest.inputs) != 1:
        msg = (
            f"{manifest.path}: inputs: a model of format hf takes one text, found "
            f"{list(manifest.inputs)}; declare one [inputs.NAME] with max_tokens."
        )
        raise AdapterError(msg)
    return texts[0]


def _declared(manifest: Manifest, name: str) -> bytes:
    if name not in manifest.weights.external:
        msg = (
            f"{manifest.path}: weights.external: a model of format hf reads {name!r}, whose hash "
            f'is not declared; write external = {{ "{name}" = its sha256, ... }} under [weights].'
        )
        raise AdapterError(msg)
    return verified_external(manifest, name)


def _network(data: bytes, where: str) -> tuple[Any, int]:
    """Return the library's own network for a configuration, and its padding number."""
    try:
        from transformers import AutoConfig, AutoModelForSequenceClassification
    except (ImportError, OSError) as error:
        msg = (
            f"{where}: weights.format: transformers cannot be used here ({error}); install the "
            'extra: pip install "auscult[hf]".'
        )
        raise AdapterError(msg) from error
    import torch

    classifiers: Any = AutoModelForSequenceClassification  # the library leaves its methods untyped
    settings = _json(data, f"{where}: weights.external: {CONFIG!r}")
    if "auto_map" in settings:
        msg = (
            f"{where}: weights.external: {CONFIG!r} asks for code of its own (auto_map), which is "
            "never run; use a network of the transformers library."
        )
        raise UnsafeFormatError(msg)
    kind = settings.pop("model_type", None)
    try:
        config = AutoConfig.for_model(kind, **settings)
        with torch.random.fork_rng(devices=[]):
            module = classifiers.from_config(config, trust_remote_code=False)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        msg = (
            f"{where}: weights.external: {CONFIG!r} describes no text classifier of transformers "
            f"(model_type {kind!r}: {reason}); correct it."
        )
        raise AdapterError(msg) from error
    if config.pad_token_id is None:
        msg = (
            f"{where}: weights.external: {CONFIG!r} names no pad_token_id, so no part of a text "
            "can be left out; name the number of the padding token."
        )
        raise AdapterError(msg)
    return module, int(config.pad_token_id)


def _fill(module: Any, tensors: Mapping[str, Any], where: str) -> None:
    """Load tensors by name; every parameter must find its own."""
    try:
        found = module.load_state_dict(dict(tensors), strict=False)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        msg = f"{where}: weights.file: does not fit {CONFIG!r} ({reason}); correct either."
        raise AdapterError(msg) from error
    needed = {name for name, _ in module.named_parameters()}
    missing = [name for name in found.missing_keys if name in needed]
    left = [name for name in found.unexpected_keys if not name.endswith("position_ids")]
    for verb, names in (("lacks", missing), ("holds, beyond the network,", left)):
        if names:
            msg = (
                f"{where}: weights.file: {verb} {len(names)} tensors (the first: {names[0]}); "
                f"export the classifier with its head, with the {CONFIG!r} it belongs to."
            )
            raise AdapterError(msg)


def _encoder(data: bytes, spec: TextInput, padding: int, where: str) -> HuggingFaceEncoder:
    from tokenizers import Tokenizer

    try:
        text = data.decode("utf-8")
        cutting, whole = Tokenizer.from_str(text), Tokenizer.from_str(text)
    except Exception as error:
        msg = f"{where}: weights.external: {TOKENIZER!r} is no tokenizer ({error}); restore it."
        raise AdapterError(msg) from error
    for one in (cutting, whole):
        one.no_padding()
        one.no_truncation()
    cutting.enable_truncation(spec.max_tokens)
    return HuggingFaceEncoder(
        cutting=cutting, whole=whole, padding=padding, places=whole.get_vocab()
    )


def _json(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise AdapterError(f"{where} is not JSON ({error}); restore it.") from error
    if not isinstance(document, dict):
        raise AdapterError(f"{where} holds no settings; restore it.")
    return document
