"""Which numbers of a run must be hidden so that no count of 1 to ``cell`` can be worked out.

First the small counts themselves (primary suppression), then as much more as it takes
(complementary suppression): in every sum of groups at least two parts are hidden, what is
hidden together is no small count either, and nothing small follows from all shown counts
together (:func:`audits.reporting.cells.derivable`). The rule follows the CMS cell size policy:
no cell of 1-10, none from which 1-10 can be derived; zero may be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audits.reporting.cells import (
    FLAG_OF,
    Cells,
    Hide,
    Key,
    Sum,
    cells_of,
    derivable,
    is_hidden,
    key_of,
    sums_among,
)

EVERYTHING = Hide.SIZE | Hide.LABEL | Hide.POSITIVE | Hide.NEGATIVE


@dataclass(slots=True, kw_only=True)
class OutputPlan:
    """What is hidden in one output.

    Attributes:
        cells: Exact counts of the cohort (key ``()``) and of each group.
        sums: How the groups add up.
        flags: What is hidden of each group.
        label: Outputs with the same label share what is hidden of label counts.
    """

    cells: Mapping[Key, Cells]
    sums: Sequence[Sum]
    label: str
    flags: dict[Key, Hide] = field(default_factory=dict)

    def hide(self, key: Key, flag: Hide) -> bool:
        """Hide more of a group; return whether anything changed."""
        before = self.flags.get(key, Hide.NOTHING)
        self.flags[key] = before | flag
        return self.flags[key] != before


def plan_suppression(outputs: Sequence[Mapping[str, Any]], cell: int) -> list[OutputPlan]:
    """Return what to hide in each output of a run.

    Args:
        outputs: ``outputs`` of the exact evidence.
        cell: Largest count that is not shown.
    """
    plans = [_plan(output) for output in outputs]
    for plan in plans:
        for key, cells in plan.cells.items():
            plan.hide(key, _primary(cells, cell))
    changed = True
    while changed:
        changed = _share(plans)
        for plan in plans:
            changed |= _complete(plan, cell)
    return plans


def _plan(output: Mapping[str, Any]) -> OutputPlan:
    cells: dict[Key, Cells] = {(): cells_of(output["overall"])}
    cells |= {key_of(g["attributes"]): cells_of(g) for g in output["groups"]}
    label = output.get("label", {})
    return OutputPlan(
        cells=cells,
        sums=sums_among(list(cells)),
        label=f"{label.get('column')}={label.get('positive')}",
    )


def _primary(cells: Cells, cell: int) -> Hide:
    flags = Hide.NOTHING
    for count, value in cells.counts.items():
        if 1 <= value <= cell:
            flags |= FLAG_OF[count]
    # Few people matter more than few images; the order is that of Cells.patients.
    owed = (Hide.SIZE, Hide.LABEL, Hide.LABEL, *(2 * [Hide.POSITIVE | Hide.NEGATIVE]))
    for patients, flag in zip(cells.patients, owed, strict=False):
        if patients is not None and 1 <= patients <= cell:
            flags |= flag
    return flags


def _complete(plan: OutputPlan, cell: int) -> bool:
    """Hide more until nothing small can be derived within this output."""
    changed = False
    while True:
        step = [_hide_another(plan, s, count) for s, count in _broken_sums(plan, cell)]
        if not any(step):
            # One at a time: what protects the first often protects the others too.
            given_away = derivable(plan.cells, plan.flags, plan.sums, cell)
            if not given_away:
                return changed
            _protect(plan, *given_away[0])
        changed = True


def _broken_sums(plan: OutputPlan, cell: int) -> Iterator[tuple[Sum, str]]:
    """Yield sums whose shown parts give away a small count by subtraction."""
    for one in plan.sums:
        for count in FLAG_OF:
            hidden = _hidden_parts(plan, one, count)
            if not hidden or is_hidden(count, plan.flags[one.total]):
                continue
            rest = sum(plan.cells[k].counts[count] for k in hidden)
            # Each hidden part is at least 1: as many parts as cases would give them away.
            if rest <= max(cell, len(hidden)) or _few_patients(plan, one, hidden, cell):
                yield one, count


def _few_patients(plan: OutputPlan, one: Sum, hidden: Sequence[Key], cell: int) -> bool:
    """Return whether subtracting shown patients leaves 1 to ``cell`` people."""
    everyone = [plan.cells[k].patients[:1] for k in (one.total, *one.parts)]
    if any(not p or p[0] is None for p in everyone):
        return False
    shown = sum(plan.cells[k].patients[0] or 0 for k in one.parts if k not in hidden)
    return 1 <= (plan.cells[one.total].patients[0] or 0) - shown <= cell


def _hidden_parts(plan: OutputPlan, one: Sum, count: str) -> list[Key]:
    return [
        k for k in one.parts if is_hidden(count, plan.flags[k]) and plan.cells[k].counts[count] > 0
    ]


def _hide_another(plan: OutputPlan, one: Sum, count: str) -> bool:
    """Hide this count in the smallest part that still shows it, else in the total."""
    shown = [
        k
        for k in one.parts
        if not is_hidden(count, plan.flags[k]) and plan.cells[k].counts[count] > 0
    ]
    if shown:
        smallest = min(shown, key=lambda k: (_size(plan, k, count), k))
        return plan.hide(smallest, FLAG_OF[count])
    return plan.hide(one.total, FLAG_OF[count])


def _protect(plan: OutputPlan, key: Key, count: str) -> None:
    """Hide the same count in one more group: the smallest that adds up with this one."""
    related = {k for s in plan.sums if key in (s.total, *s.parts) for k in (s.total, *s.parts)}
    shown = [
        k
        for k, cells in plan.cells.items()
        if not is_hidden(count, plan.flags[k]) and cells.counts[count] > 0
    ]
    if shown:
        # The whole cohort comes last: without it little is left to read.
        chosen = min(shown, key=lambda k: (k == (), k not in related, _size(plan, k, count), k))
        plan.hide(chosen, FLAG_OF[count])
        return
    for flag in (Hide.POSITIVE | Hide.NEGATIVE, Hide.LABEL, EVERYTHING):
        if plan.hide(key, flag):
            return
    for other in plan.cells:
        plan.hide(other, EVERYTHING)


def _size(plan: OutputPlan, key: Key, count: str) -> int:
    return plan.cells[key].counts[count]


def _share(plans: Sequence[OutputPlan]) -> bool:
    """Hide sizes alike in all outputs, and label counts alike where the label is the same."""
    changed = False
    for plan in plans:
        for other in plans:
            shared = Hide.SIZE | (Hide.LABEL if plan.label == other.label else Hide.NOTHING)
            for key, flags in plan.flags.items():
                if key in other.cells and flags & shared:
                    changed |= other.hide(key, flags & shared)
    return changed
