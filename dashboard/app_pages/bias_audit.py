"""Bias audit: what was declared, who is in it, the verdicts, and what a threshold would change."""

from __future__ import annotations

from dashboard.evidence import metrics_of
from dashboard.views import context, states
from dashboard.views.audit_parts import (
    declaration_part,
    forest_part,
    map_part,
    shortcut_part,
    threshold_part,
    verdict_part,
)
from dashboard.views.between_parts import between_part
from dashboard.views.calibration_part import calibration_part
from dashboard.views.context import Context
from dashboard.views.declare import declare_part
from dashboard.views.drivers_part import drivers_part
from dashboard.views.elements import provenance
from dashboard.views.further_parts import further_part
from dashboard.views.maps_part import maps_part
from dashboard.views.pickers import pick_metric
from dashboard.views.quality_parts import quality_part
from dashboard.views.sections import chapters
from dashboard.views.size_parts import size_part
from dashboard.views.slice_parts import slice_part
from dashboard.views.why_parts import (
    causes_part,
    decision_part,
    mitigation_part,
    underdiagnosis_part,
)

CHAPTERS = {
    "Who was audited": {"who": "Group sizes", "data": "Data quality"},
    "Verdicts": {"verdicts": "Verdicts"},
    "How large, and for whom": {
        "groups": "Group by group",
        "between": "Between groups",
        "calibration": "Calibration",
        "underdiagnosis": "Who is missed",
        "further": "More measures",
    },
    "Why": {"why": "Why groups differ", "drivers": "What drives the score"},
    "Where else it fails": {
        "slices": "Slices",
        "shortcuts": "Shortcuts",
        "maps": "Its explanations",
    },
    "What if": {
        "threshold": "Another threshold",
        "decision": "Decision curves",
        "mitigation": "Corrections",
    },
    "Declare anew": {"declare": "Declare anew"},
}
"""The questions of a reviewer in the order they are asked: sizes before verdicts, causes after."""


def _groups(chosen: Context) -> None:
    metric = pick_metric(metrics_of(chosen.entry))
    with states.guarded("The groups cannot be drawn"):
        forest_part(chosen, metric)
    with states.guarded("The crossed groups cannot be drawn"):
        map_part(chosen, metric)


PARTS = {
    "who": size_part,
    "data": quality_part,
    "verdicts": verdict_part,
    "groups": _groups,
    "between": between_part,
    "calibration": calibration_part,
    "underdiagnosis": underdiagnosis_part,
    "further": further_part,
    "why": causes_part,
    "drivers": drivers_part,
    "slices": slice_part,
    "shortcuts": shortcut_part,
    "maps": maps_part,
    "threshold": threshold_part,
    "decision": decision_part,
    "mitigation": mitigation_part,
    "declare": declare_part,
}
TITLES = {name: title for parts in CHAPTERS.values() for name, title in parts.items()}

chosen = context.pick(
    "Bias audit",
    "Does this model serve every group, and what can the data not tell yet?",
)
if chosen:
    declaration_part(chosen)
    with chapters(CHAPTERS) as part, states.guarded(f"{TITLES[part]}: this part cannot be shown"):
        PARTS[part](chosen)
    provenance(chosen.evidence)
