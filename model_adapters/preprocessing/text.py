"""Text to numbers: a small vocabulary of the model's own, and where each token stands."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from model_adapters.base import TextTokens
from model_adapters.errors import AdapterError
from model_adapters.schema_time import TextInput

if TYPE_CHECKING:
    import torch

    from model_adapters.manifest import Manifest

PADDING, UNKNOWN = 0, 1
_TOKEN = re.compile(r"\w+|[^\w\s]")


class TextEncoder(Protocol):
    """Turns a text into the model's own numbers."""

    @property
    def padding(self) -> int:
        """Return the number that stands for no token."""
        ...

    def encode(self, text: str) -> TextTokens:
        """Return the tokens the model reads of a text, and how many it has."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyEncoder:
    """Words and punctuation marks, in lower case, by their place in a list.

    Attributes:
        places: Token to number.
        size: Numbers the vocabulary has, padding and unknown word included.
        buckets: Further numbers that unknown words are hashed to; 0 for none.
        max_tokens: Tokens after which a text is cut.
        padding: The number that stands for no token.
    """

    places: Mapping[str, int]
    size: int
    buckets: int
    max_tokens: int
    padding: int = PADDING

    def encode(self, text: str) -> TextTokens:
        """Return the tokens the model reads of a text, and how many it has."""
        found = list(_TOKEN.finditer(text))
        read = found[: self.max_tokens]
        return TextTokens(
            ids=tuple(self._number(match.group().lower()) for match in read),
            spans=tuple(match.span() for match in read),
            total=len(found),
        )

    def _number(self, token: str) -> int:
        known = self.places.get(token)
        if known is not None:
            return known
        if self.buckets:
            return self.size + zlib.crc32(token.encode()) % self.buckets
        return UNKNOWN


def vocabulary_encoders(manifest: Manifest) -> dict[str, TextEncoder]:
    """Read the vocabulary of every text input that declares one.

    Raises:
        AdapterError: If a file is missing, altered, or no list of distinct tokens.
    """
    from model_adapters.weights_file import verified_side_file

    encoders: dict[str, TextEncoder] = {}
    for name, spec in manifest.inputs.items():
        if not isinstance(spec, TextInput) or spec.vocabulary is None:
            continue
        key = f"inputs.{name}.vocabulary"
        data = verified_side_file(manifest, spec.vocabulary, spec.vocabulary_sha256 or "", key)
        tokens = _tokens(data, f"{manifest.path}: {key}: {spec.vocabulary!r}")
        encoders[name] = VocabularyEncoder(
            places={token: at for at, token in enumerate(tokens)},
            size=len(tokens),
            buckets=spec.buckets,
            max_tokens=spec.max_tokens,
        )
    return encoders


def prepare_texts(
    name: str, spec: TextInput, encoder: TextEncoder | None, texts: Sequence[str]
) -> torch.Tensor:
    """Return numbers of the tokens, int64 (n, max_tokens), padded at the end.

    Raises:
        AdapterError: If the input declares no vocabulary, or a value is no text.
    """
    import torch

    if encoder is None:
        msg = (
            f"inputs.{name}: a text input needs vocabulary = a JSON file of the model folder and "
            "its vocabulary_sha256; add them."
        )
        raise AdapterError(msg)
    ids = torch.full((len(texts), spec.max_tokens), encoder.padding, dtype=torch.int64)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            msg = f"inputs.{name}: expected texts, found {type(text).__name__}; give strings."
            raise AdapterError(msg)
        found = encoder.encode(text).ids
        ids[row, : len(found)] = torch.tensor(found, dtype=torch.int64)
    return ids


def closed_up(ids: torch.Tensor, padding: int) -> torch.Tensor:
    """Return token numbers with the gaps closed: what was removed leaves no hole behind."""
    order = (ids == padding).to(ids.dtype).argsort(dim=1, stable=True)
    return ids.gather(1, order)


def _tokens(data: bytes, where: str) -> list[str]:
    try:
        document: Any = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise AdapterError(f"{where} is not JSON ({error}); write it again.") from error
    tokens = document.get("tokens") if isinstance(document, dict) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise AdapterError(f'{where} must hold {{"tokens": [texts]}}; write it again.')
    if len(tokens) <= UNKNOWN or len(set(tokens)) != len(tokens):
        msg = (
            f"{where} holds {len(tokens)} tokens, {len(set(tokens))} of them distinct; give each "
            "once, padding and the unknown word first."
        )
        raise AdapterError(msg)
    return tokens
