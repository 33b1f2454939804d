"""Does a model keep the promises every audit rests on? The checks of ``auscult model check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model_adapters.base import Batch, Field, ModelAdapter, Prepared
from model_adapters.batching import count_rows, take_rows
from model_adapters.conformance_batch import example_batch
from model_adapters.errors import AdapterError
from model_adapters.model_state import changed_state, state_of
from model_adapters.registry import load_adapter

Status = Literal["passed", "failed", "warning", "not_applicable"]

# Float32 networks differ by a few units in the last place when a batch takes another code path.
TOLERANCE = 1e-5
_SUM_TOLERANCE = 1e-4
_UNIT_SPACES = frozenset({"probability", "survival"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One promise and whether it was kept.

    Attributes:
        name: The promise in a few words.
        status: ``failed`` means that audits of this model cannot be trusted.
        detail: One sentence with what was measured.
    """

    name: str
    status: Status
    detail: str

    @property
    def passed(self) -> bool:
        """Return whether the promise was not broken."""
        return self.status != "failed"

    def to_dict(self) -> dict[str, str | bool]:
        """Return the result as plain data."""
        return {
            "name": self.name,
            "status": self.status,
            "passed": self.passed,
            "detail": self.detail,
        }


Verdict = tuple[Status, str]


def check_model_folder(
    folder: Path | str, *, device: str = "auto", seed: int = 0
) -> tuple[CheckResult, ...]:
    """Open a model folder and check it on generated inputs.

    Raises:
        AdapterError: If the folder cannot be opened at all.
    """
    adapter = load_adapter(folder, device=device)
    return check_adapter(adapter, example_batch(adapter, n=6, seed=seed))


def check_adapter(adapter: ModelAdapter, raw: Batch) -> tuple[CheckResult, ...]:
    """Check a model on a batch of cases.

    Args:
        adapter: The model.
        raw: At least two cases, better six or more, as ``prepare`` takes them.

    Returns:
        One result per promise, in a fixed order; none is skipped after a failure.

    Raises:
        AdapterError: If the batch holds fewer than two cases.
    """
    n = count_rows(raw)
    if n < 2:  # noqa: PLR2004 - row independence needs two rows
        raise AdapterError(f"conformance: needs at least 2 cases, found {n}; give more.")
    before = state_of(adapter)
    checks: dict[str, Callable[[ModelAdapter, Batch], Verdict]] = {
        "inputs are as declared": _schema,
        "one column per output": _outputs,
        "same input, same output": _determinism,
        "batches do not matter": _batch_split,
        "order does not matter": _permutation,
        "forward equals predict": _forward,
        "scores are on the declared scale": _space,
        "missing values stay in their row": _missing,
        "contributions add up": _contributions,
        "library versions": _library,
    }
    results = [_guarded(name, check, adapter, raw) for name, check in checks.items()]
    results.append(_state(before, adapter))
    return tuple(results)


def _guarded(
    name: str, check: Callable[[ModelAdapter, Batch], Verdict], adapter: ModelAdapter, raw: Batch
) -> CheckResult:
    try:
        status, detail = check(adapter, raw)
    except Exception as error:  # noqa: BLE001 - whatever a foreign model raises is the finding
        reason = " ".join(str(error).split()) or type(error).__name__
        status, detail = "failed", f"Raised {type(error).__name__}: {reason}"
    return CheckResult(name=name, status=status, detail=detail)


def _schema(adapter: ModelAdapter, raw: Batch) -> Verdict:
    prepared = adapter.prepare(raw)
    n = count_rows(raw)
    for field in adapter.inputs:
        if field.name not in prepared:
            return "failed", f"prepare gives no {field.name!r}, found {sorted(prepared)}."
        found = tuple(np.shape(prepared[field.name]))
        if found != (n, *field.shape) and None not in field.shape:
            return "failed", f"{field.name!r} has shape {found}, declared {(n, *field.shape)}."
        owned = [column for feature in field.features for column in feature.columns]
        columns = found[2] if field.modality == "sequence" else found[-1]
        if field.features and sorted(owned) != list(range(columns)):
            return "failed", f"The features of {field.name!r} do not own each column once."
    shapes = {f.name: f.shape for f in adapter.inputs}
    return "passed", f"prepare gives {n} rows of {shapes}."


def _outputs(adapter: ModelAdapter, raw: Batch) -> Verdict:
    scores = _scores(adapter, raw)
    wanted = len(adapter.output.names)
    if scores.ndim < 2 or scores.shape[:2] != (count_rows(raw), wanted):  # noqa: PLR2004 - a table
        return "failed", f"predict gives shape {scores.shape} for {wanted} declared outputs."
    return "passed", f"predict gives {wanted} columns: {', '.join(adapter.output.names)}."


def _determinism(adapter: ModelAdapter, raw: Batch) -> Verdict:
    first, second = adapter.prepare(raw), adapter.prepare(raw)
    moved = max(
        (_difference(_array(first[name]), _array(second[name])) for name in first), default=0.0
    )
    if moved > 0:
        return "failed", f"prepare differs by {moved:.2g} when it is called twice."
    gap = _difference(adapter.predict(first), adapter.predict(second))
    return _within(gap, "The same cases predicted twice differ by")


def _batch_split(adapter: ModelAdapter, raw: Batch) -> Verdict:
    prepared = adapter.prepare(raw)
    whole = adapter.predict(prepared)
    n = count_rows(raw)
    gap = 0.0
    for size in (1, max(2, n // 2)):
        parts = [
            adapter.predict(take_rows(prepared, slice(start, start + size)))
            for start in range(0, n, size)
        ]
        gap = max(gap, _difference(np.concatenate(parts), whole))
    alone = [_scores(adapter, take_rows(raw, slice(row, row + 1))) for row in range(n)]
    gap = max(gap, _difference(np.concatenate(alone), whole))
    return _within(gap, "Cases predicted alone and together differ by")


def _permutation(adapter: ModelAdapter, raw: Batch) -> Verdict:
    n = count_rows(raw)
    order = np.roll(np.arange(n)[::-1], 1)
    gap = _difference(_scores(adapter, take_rows(raw, order)), _scores(adapter, raw)[order])
    return _within(gap, "Cases in another order differ by")


def _forward(adapter: ModelAdapter, raw: Batch) -> Verdict:
    if "grad" not in adapter.caps:
        return "not_applicable", "The model declares no gradients."
    import torch

    prepared = adapter.prepare(raw)
    leaves = {
        name: torch.as_tensor(value).to(torch.float32).clone().requires_grad_()
        for name, value in prepared.items()
    }
    out = adapter.forward(leaves)  # type: ignore[attr-defined]  # announced by "grad"
    gap = _difference(out.detach().cpu().double().numpy(), adapter.predict(prepared))
    gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        out.sum(), list(leaves.values()), allow_unused=True
    )
    if any(g is None or not bool(torch.isfinite(g).all()) for g in gradients):
        return "failed", "No finite gradient reaches every input of forward."
    return _within(gap, "forward and predict differ by")


def _space(adapter: ModelAdapter, raw: Batch) -> Verdict:
    scores = _scores(adapter, raw)
    space, task = adapter.output.space, adapter.output.task
    if not np.isfinite(scores).all():
        return "failed", f"{int((~np.isfinite(scores)).sum())} scores are not finite numbers."
    low, high = float(scores.min()), float(scores.max())
    extent = f"between {low:.4g} and {high:.4g}"
    unit = low >= 0 and high <= 1
    if space in _UNIT_SPACES and not unit:
        return "failed", f'The declared space is "{space}", but scores lie {extent}.'
    if space == "probability" and task == "multiclass":
        off = float(np.abs(scores.sum(axis=1) - 1).max())
        if off > _SUM_TOLERANCE:
            return "failed", f"Probabilities of the classes add up to 1 only within {off:.2g}."
    if space == "survival" and bool((np.diff(scores, axis=1) > TOLERANCE).any()):
        return "failed", "Survival rises from one time to a later one."
    if space == "logit" and unit:
        return "warning", f"All scores lie {extent}: are they probabilities, not logits?"
    return "passed", f"Scores lie {extent}."


def _missing(adapter: ModelAdapter, raw: Batch) -> Verdict:
    holed = {name: _without_first(raw[name], field) for name, field in _may_be_empty(adapter)}
    if not holed:
        return "not_applicable", "The model takes no table, sequence or text."
    holed = {**raw, **holed}
    want, got = _scores(adapter, raw), _scores(adapter, holed)
    gap = _difference(got[1:], want[1:])
    if gap > TOLERANCE:
        return "failed", f"A row without values moves the other rows by {gap:.2g}."
    if not np.isfinite(got[0]).all():
        return "warning", "A case without any value has no score; impute in inputs to give it one."
    return "passed", "A case without any value has a score and moves no other."


def _may_be_empty(adapter: ModelAdapter) -> list[tuple[str, Field]]:
    return [(f.name, f) for f in adapter.inputs if f.modality in {"table", "sequence", "text"}]


def _without_first(values: Any, field: Field) -> Any:
    """Return an input's values with nothing known of the first case."""
    if field.modality == "text":
        return ["", *values[1:]]
    if field.modality == "sequence":
        return [values[0].iloc[:0], *values[1:]]
    frame = values.astype(object)
    frame.iloc[0] = None
    return frame


def _contributions(adapter: ModelAdapter, raw: Batch) -> Verdict:
    if "tree" not in adapter.caps:
        return "not_applicable", "The model brings no contributions of its own."
    prepared = adapter.prepare(raw)
    parts, base = adapter.native_contributions(prepared)  # type: ignore[attr-defined]  # "tree"
    if adapter.output.space not in {"logit", "value", "log_hazard"}:
        return "passed", f"Contributions of {parts.shape[2]} columns, on the margin's scale."
    total = parts.sum(axis=2) + base
    gap = _difference(total, adapter.predict(prepared))
    return _within(gap, "Base and contributions miss the score by")


def _library(adapter: ModelAdapter, raw: Batch) -> Verdict:  # noqa: ARG001 - one signature for all checks
    notes: tuple[str, ...] = getattr(adapter, "notes", ())
    return ("warning", " ".join(notes)) if notes else ("passed", "Nothing was noted on opening.")


def _state(before: dict[str, str], adapter: ModelAdapter) -> CheckResult:
    changed = changed_state(before, state_of(adapter))
    return CheckResult(
        name="the model is left as it was",
        status="failed" if changed else "passed",
        detail=f"Changed by the checks: {', '.join(changed)}."
        if changed
        else "Tensors, modes, hooks and gradients are as before.",
    )


def _scores(adapter: ModelAdapter, raw: Batch) -> npt.NDArray[np.float64]:
    prepared: Prepared = adapter.prepare(raw)
    return adapter.predict(prepared)


def _array(value: Any) -> npt.NDArray[Any]:
    return np.asarray(value)


def _difference(got: npt.NDArray[Any], want: npt.NDArray[Any]) -> float:
    """Return the largest difference relative to the scale of ``want``, at least 1."""
    if got.shape != want.shape:
        return float("inf")
    if not got.size:
        return 0.0
    if got.dtype.kind not in "fiub":
        return 0.0 if bool((got == want).all()) else float("inf")
    gaps = list(_gaps(got.astype(np.float64), want.astype(np.float64)))
    return max(gaps)


def _gaps(got: npt.NDArray[np.float64], want: npt.NDArray[np.float64]) -> Iterator[float]:
    missing = np.isnan(got), np.isnan(want)
    yield 0.0 if bool((missing[0] == missing[1]).all()) else float("inf")
    both = ~missing[0] & ~missing[1]
    if both.any():
        scale = max(1.0, float(np.abs(want[both]).max()))
        yield float(np.abs(got[both] - want[both]).max()) / scale


def _within(gap: float, sentence: str) -> Verdict:
    status: Status = "passed" if gap <= TOLERANCE else "failed"
    return status, f"{sentence} {gap:.2g} (at most {TOLERANCE:g} is allowed)."
