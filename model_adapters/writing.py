"""Write a model folder: the manifest as TOML people can read on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_TABLE_DEPTH = 2  # [section] and [section.name]; deeper tables stand on one line


def manifest_text(document: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a manifest as TOML.

    Args:
        document: Section -> key -> value; None is left out, an array of tables becomes
            ``[[section.key]]``.

    Example:
        >>> print(manifest_text({"model": {"id": "a", "thresholds": [0.5]}}), end="")
        [model]
        id = "a"
        thresholds = [0.5]
    """
    lines: list[str] = []
    for section, content in document.items():
        _table(lines, (section,), content)
    return "\n".join(lines) + "\n"


def _table(lines: list[str], path: tuple[str, ...], content: Mapping[str, Any]) -> None:
    inner = {k: v for k, v in content.items() if _is_table(path, v)}
    arrays = {k: v for k, v in content.items() if _is_array_of_tables(v)}
    plain = {k: v for k, v in content.items() if k not in inner and k not in arrays}
    if plain or not inner:
        lines += [""] if lines else []
        lines.append(f"[{_dotted(path)}]")
        lines += [f"{_key(k)} = {_inline(v)}" for k, v in plain.items() if v is not None]
    for key, rows in arrays.items():
        for row in rows:
            lines += ["", f"[[{_dotted((*path, key))}]]"]
            lines += [f"{_key(k)} = {_inline(v)}" for k, v in row.items() if v is not None]
    for key, table in inner.items():
        _table(lines, (*path, key), table)


def _is_table(path: tuple[str, ...], value: Any) -> bool:
    """Only ``[inputs.NAME]`` and ``[card.NAME]`` are tables of their own; args stay on a line."""
    return isinstance(value, Mapping) and len(path) < _TABLE_DEPTH and path[0] in {"inputs", "card"}


def _is_array_of_tables(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [f"{_key(k)} = {_inline(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(parts)} }}" if parts else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_inline(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else json.dumps(name, ensure_ascii=False)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(_key(part) for part in path)
