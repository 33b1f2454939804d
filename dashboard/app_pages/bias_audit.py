"""Bias audit: what was declared, who is in it, the verdicts, and what a threshold would change."""

from __future__ import annotations

from dashboard.evidence import metrics_of
from dashboard.views import context, states
from dashboard.views.audit_parts import (
    calibration_part,
    declaration_part,
    forest_part,
    map_part,
    shortcut_part,
    size_part,
    slice_part,
    threshold_part,
    verdict_part,
)
from dashboard.views.between_parts import between_part
from dashboard.views.context import Context
from dashboard.views.declare import declare_part
from dashboard.views.drivers_part import drivers_part
from dashboard.views.elements import provenance
from dashboard.views.further_parts import further_part
from dashboard.views.pickers import pick_metric
from dashboard.views.quality_parts import quality_part
from dashboard.views.sections import section
from dashboard.views.why_parts import (
    causes_part,
    decision_part,
    mitigation_part,
    underdiagnosis_part,
)

SECTIONS = {
    "verdicts": "Verdicts",
    "groups": "Group by group",
    "between": "Between groups",
    "why": "Why groups differ",
    "drivers": "What drives it",
    "underdiagnosis": "Who is missed",
    "slices": "Slices",
    "shortcuts": "Shortcuts",
    "calibration": "Calibration",
    "decision": "Decision curves",
    "threshold": "Another threshold",
    "mitigation": "Corrections",
    "further": "More measures",
    "data": "Data quality",
    "declare": "Declare anew",
}


def _groups(chosen: Context) -> None:
    metric = pick_metric(metrics_of(chosen.entry))
    with states.guarded("The groups cannot be drawn"):
        forest_part(chosen, metric)
    with states.guarded("The crossed groups cannot be drawn"):
        map_part(chosen, metric)


PARTS = {
    "verdicts": verdict_part,
    "groups": _groups,
    "between": between_part,
    "why": causes_part,
    "drivers": drivers_part,
    "underdiagnosis": underdiagnosis_part,
    "slices": slice_part,
    "shortcuts": shortcut_part,
    "calibration": calibration_part,
    "decision": decision_part,
    "threshold": threshold_part,
    "mitigation": mitigation_part,
    "further": further_part,
    "data": quality_part,
    "declare": declare_part,
}

chosen = context.pick(
    "Bias audit",
    "Does this model serve every group, and what can the data not tell yet?",
)
if chosen:
    declaration_part(chosen)
    with states.guarded("The group sizes cannot be shown"):
        size_part(chosen)
    with section(SECTIONS) as part, states.guarded(f"{SECTIONS[part]}: this part cannot be shown"):
        PARTS[part](chosen)
    provenance(chosen.evidence)
