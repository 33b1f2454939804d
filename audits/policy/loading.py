"""Reading a policy: from a TOML file, from data, or the default one that ships with Auscult."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from audits.errors import PolicyError
from audits.policy.schema import Policy, PolicyFile
from audits.types import Finding

T = TypeVar("T")

DEFAULT_NAME = "default policy"
SHORTCUT_MARGIN = "shortcuts.margin_logits"


def load_policy(
    source: Path | str | Mapping[str, Any] | None = None,
    *,
    groups: Sequence[str] | None = None,
    intersections: Sequence[Sequence[str]] | None = None,
) -> Policy:
    """Read a policy and fill what it leaves open from the default one.

    Args:
        source: A TOML file, the same content as data, or None for the shipped default.
        groups: Attributes of the study or command line; declared where the policy names none.
        intersections: Crossings of the command line; declared where the policy names none.

    Returns:
        The frozen policy with its hash, and findings for margins that give no reason.

    Raises:
        PolicyError: If the file is missing or does not say what it must.

    Example:
        >>> policy = load_policy(None, groups=["sex"])
        >>> policy.by, policy.groups, policy.margins["tpr"]
        ('default policy', ('sex',), 0.05)
    """
    raw_default = resources.files("audits.policy").joinpath("default_policy.toml").read_bytes()
    default = _validated(_parse(raw_default, DEFAULT_NAME), DEFAULT_NAME)
    if source is None:
        file, by, sha = default, DEFAULT_NAME, hashlib.sha256(raw_default).hexdigest()
    elif isinstance(source, Mapping):
        by = "policy given as data"
        file, sha = _validated(source, by), _hash_data(source)
    else:
        path = Path(source)
        raw = _read(path)
        by, sha = path.name, hashlib.sha256(raw).hexdigest()
        file = _validated(_parse(raw, str(path)), str(path))
    policy = _assemble(file, default, by=by, sha=sha, groups=groups, intersections=intersections)
    if source is None or isinstance(source, Mapping):
        return policy
    return replace(policy, file=str(Path(source).absolute()))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(
            f"{path}: the policy file cannot be read ({error.strerror}); check the path."
        ) from None


def _parse(raw: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{where}: not a TOML file ({error}); correct that line.") from None


def _hash_data(data: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        raise PolicyError(
            "The policy holds a value that is no plain data; use strings, numbers, lists, tables."
        ) from None
    return hashlib.sha256(text.encode()).hexdigest()


def _validated(data: Mapping[str, Any], where: str) -> PolicyFile:
    try:
        return PolicyFile.model_validate(_tuples(data))
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            raise PolicyError(
                f"{where}: {at} is no setting of a policy{_nearest(str(first['loc'][-1]))}; "
                "correct its name or remove it."
            ) from None
        if first["type"] == "float_parsing":
            message = "must be a number"
        if not first["type"].startswith("value_error"):
            message = f"{message}, found {first['input']!r}"
        raise PolicyError(f"{where}: {at + ': ' if at else ''}{message}.") from None


def _nearest(name: str) -> str:
    """Name the setting that was probably meant; a key may also stand under the wrong heading."""
    sections = [
        part.annotation
        for part in PolicyFile.model_fields.values()
        if isinstance(part.annotation, type) and issubclass(part.annotation, BaseModel)
    ]
    known = [*PolicyFile.model_fields, *(key for one in sections for key in one.model_fields)]
    close = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _tuples(value: Any) -> Any:
    """Return lists as tuples all the way down, which is what the frozen models hold."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _assemble(
    file: PolicyFile,
    default: PolicyFile,
    *,
    by: str,
    sha: str,
    groups: Sequence[str] | None,
    intersections: Sequence[Sequence[str]] | None,
) -> Policy:
    audit = file.audit
    given = audit.model_fields_set
    required = audit.required_groups if "required_groups" in given else ()
    declared = groups if audit.groups is None else audit.groups
    crossed = intersections if audit.intersections is None else audit.intersections
    margins = {**default.margin, **file.margin}
    bare = [metric for metric in audit.verdict_metrics if metric not in margins]
    if bare:
        raise PolicyError(
            f"{by}: audit.verdict_metrics names {bare[0]!r} without a margin, and no default fits "
            f"the outcome's unit; add {bare[0]} = … under [margin]."
        )
    reasons = {
        **{key: text for key, text in default.reasons.items() if _uses_default(key, file)},
        **file.reasons,
    }
    return Policy(
        by=by,
        sha256=sha,
        alpha=audit.alpha,
        groups=_unique(declared or ()),
        intersections=_unique(tuple(names) for names in crossed or ()),
        required_groups=required or default.audit.required_groups,
        verdict_metrics=_unique(audit.verdict_metrics),
        min_effective_n=audit.min_effective_n,
        min_effective_per_class=audit.min_effective_per_class,
        reference=audit.reference,
        margins=margins,
        reasons=reasons,
        thresholds=file.thresholds,
        horizons=file.horizons,
        task_metrics={
            **{str(task): names for task, names in default.audit.task_metrics.items()},
            **{str(task): names for task, names in audit.task_metrics.items()},
        },
        custom_metrics=audit.custom_metrics,
        release=file.suppression.release,
        cell=file.suppression.cell,
        gate=file.gate.rule,
        causes=file.causes,
        comparison=file.comparison if "comparison" in file.model_fields_set else default.comparison,
        deployment=file.deployment,
        shortcuts=file.shortcuts if file.shortcuts.model_fields_set else default.shortcuts,
        profiles=_unique(file.report.profile),
        findings=_findings(file, by),
    )


def _uses_default(key: str, file: PolicyFile) -> bool:
    """Say whether the number at a dotted path comes from the default and keeps its reason."""
    section, _, name = key.partition(".")
    if section == "margin":
        return name not in file.margin
    written = getattr(file, section, None)
    return written is None or name not in written.model_fields_set


def _findings(file: PolicyFile, by: str) -> tuple[Finding, ...]:
    found = [
        Finding(
            severity="warning",
            where=f"{by}: margin.{metric}",
            message=f"The margin of {metric} gives no reason; add it under [reasons] as "
            f'"margin.{metric}" = "…".',
        )
        for metric in file.margin
        if not file.reasons.get(f"margin.{metric}", "").strip()
    ]
    declared = "margin_logits" in file.shortcuts.model_fields_set
    if declared and not file.reasons.get(SHORTCUT_MARGIN, "").strip():
        message = "The margin of the shortcut audit gives no reason; add it under [reasons] as "
        message += f'"{SHORTCUT_MARGIN}" = "…".'
        found.append(Finding(severity="warning", where=f"{by}: {SHORTCUT_MARGIN}", message=message))
    found += [
        Finding(
            severity="warning",
            where=f"{by}: margin.{metric}",
            message=f"No margin for {metric} is declared; the default policy's is used.",
        )
        for metric in file.audit.verdict_metrics
        if metric not in file.margin
    ]
    return tuple(found)


def _unique(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
