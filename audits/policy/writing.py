"""A policy written back as a file, so that what was declared on a page can be declared again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audits.errors import PolicyError
from audits.policy.loading import load_policy
from audits.policy.schema import PolicyFile
from audits.storage.canonical import file_sha256
from audits.storage.home import home_folder

FOLDER = "policies"


def policy_toml(policy: Mapping[str, Any]) -> str:
    """Return a policy, as ``to_dict`` gives it, as the text of a policy file.

    What the file cannot say (who declared it, its hash, findings) is left out, and so are None
    and empty tables.

    Example:
        >>> print(policy_toml({"audit": {"alpha": 0.05}, "margin": {"tpr": 0.1}, "by": "me"}))
        [audit]
        alpha = 0.05
        <BLANKLINE>
        [margin]
        tpr = 0.1
        <BLANKLINE>
    """
    lines: list[str] = []
    for name in PolicyFile.model_fields:
        held = policy.get(name)
        if isinstance(held, Mapping):
            lines += _table([name], held)
        elif held:
            lines += [f"{_key(name)} = {_value(held)}", ""]
    return "\n".join(lines)


def declare_policy(policy: Mapping[str, Any], store: Path | str | None = None) -> Path:
    """Write a policy into the store under its own hash, and return the file.

    The same declaration is the same file; an existing one is never changed.

    Raises:
        PolicyError: It is no policy.
        OSError: The store cannot be written.
    """
    folder = home_folder(store) / FOLDER
    folder.mkdir(exist_ok=True)
    part = folder / f".{secrets.token_hex(8)}.part"  # two people may declare at once
    part.write_text(policy_toml(policy), encoding="utf-8")
    try:
        load_policy(part)
    except PolicyError:
        part.unlink()
        raise
    target = folder / f"policy-{file_sha256(part)[:12]}.toml"
    part.replace(target)
    return target


def _table(path: list[str], held: Mapping[str, Any], *, double: bool = False) -> list[str]:
    plain = {k: v for k, v in held.items() if v is not None and not _is_table(v)}
    several = {k: v for k, v in held.items() if _is_tables(v)}
    nested = {k: v for k, v in held.items() if isinstance(v, Mapping) and not _inline(v)}
    inline = {k: v for k, v in held.items() if isinstance(v, Mapping) and _inline(v)}
    lines: list[str] = []
    if plain or inline or double:
        name = ".".join(_key(part) for part in path)
        lines.append(f"[[{name}]]" if double else f"[{name}]")
        lines += [f"{_key(k)} = {_value(v)}" for k, v in {**plain, **inline}.items()]
        lines.append("")
    for key, value in nested.items():
        lines += _table([*path, key], value)
    for key, values in several.items():
        for value in values:
            lines += _table([*path, key], value, double=True)
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or _is_tables(value)


def _is_tables(value: object) -> bool:
    """Return whether a value is a list of tables, such as the rules of the gate."""
    return isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)


def _inline(value: Mapping[str, Any]) -> bool:
    """Return whether a mapping is written in one line: it holds plain values only."""
    return bool(value) and not any(isinstance(v, Mapping) for v in value.values())


def _key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "")
    return name if bare.isascii() and bare.isalnum() else json.dumps(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        told = ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items())
        return f"{{ {told} }}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value)
