"""What a gate may be judged on: not the cases that the candidate's threshold was chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.errors import PolicyError


def refuse_tuned_on_test(evidence: Mapping[str, Any]) -> None:
    """Refuse a candidate whose threshold was chosen on the very cases that are audited.

    A threshold that was fitted to the test cases looks better on them than anywhere else.

    Args:
        evidence: Content of ``evidence.json``.

    Raises:
        PolicyError: Names the output.
    """
    comparison = evidence.get("comparison") or {}
    base = str(comparison.get("base", "")).split(", ")
    study = evidence["study"]
    for output in evidence["outputs"]:
        if comparison and output["model"] in base:
            continue
        if output["threshold"].get("chosen_on") == study["sha256"]:
            who = output["model"] or study["name"]
            raise PolicyError(
                f"{who}, {output['name']}: its threshold was chosen on the very cases that this "
                "run audits (threshold.chosen_on is the study's sha256), so they cannot gate it; "
                "choose the threshold on other cases, or gate on a study that nobody tuned on."
            )
