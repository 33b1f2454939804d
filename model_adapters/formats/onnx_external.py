"""Which files an ONNX graph keeps tensors in, read from its bytes before any runtime sees it.

ONNX is a protocol-buffer message. Only the fields on the way to ``TensorProto.external_data`` are
followed (onnx.proto, IR version 13), so the ``onnx`` package is not needed to run a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Message -> field number -> message inside it.
_PATHS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_CONTINUES = 0x80


class _Entry(NamedTuple):
    key: bytes
    value: bytes


def external_locations(data: bytes) -> tuple[str, ...]:
    """Return the file names that tensors of a serialised ONNX model are kept in.

    Args:
        data: The bytes of the ``.onnx`` file.

    Returns:
        Distinct names as written, sorted; empty for a model that is whole in itself.

    Raises:
        ValueError: If the bytes are not a protocol-buffer message.

    Example:
        >>> external_locations(b"")
        ()
    """
    names = {
        entry.value.decode("utf-8")
        for entry in _entries(memoryview(data), "Model")
        if entry.key == b"location"
    }
    return tuple(sorted(names))


def _entries(data: memoryview, message: str) -> Iterator[_Entry]:
    if message == "Entry":
        parts = {number: bytes(value) for number, value in _fields(data)}
        yield _Entry(key=parts.get(1, b""), value=parts.get(2, b""))
        return
    for number, value in _fields(data):
        inner = _PATHS[message].get(number)
        if inner is not None:
            yield from _entries(value, inner)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the length-delimited fields of a message, skipping the scalar ones."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _BYTES:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a field ends beyond the message")
            yield tag >> 3, data[at : at + size]
            at += size
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("an unknown kind of field")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the message ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & ~_CONTINUES) << shift
        if byte < _CONTINUES:
            return value, at
    raise ValueError("a number is too long")
