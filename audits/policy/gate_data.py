"""What a gate may be judged on: not the cases that the candidate's threshold was chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audits.errors import PolicyError


def side_names(comparison: Mapping[str, Any], side: str) -> frozenset[str]:
    """Return every name that a version of a comparison goes by.

    A version of a table is named by all of its columns: of several outputs each is a name of its
    own, and of a segmentation, which is measured by several, all of them are one.

    Args:
        comparison: ``comparison`` of the evidence.
        side: ``base`` or ``candidate``.
    """
    named = str(comparison.get(side) or "")
    return frozenset({named, *named.split(", ")}) - {""}


def refuse_tuned_on_test(evidence: Mapping[str, Any]) -> None:
    """Refuse a candidate whose threshold was chosen on the very cases that are audited.

    A threshold that was fitted to the test cases looks better on them than anywhere else.

    Args:
        evidence: Content of ``evidence.json``.

    Raises:
        PolicyError: Names the output.
    """
    comparison = evidence.get("comparison") or {}
    base = side_names(comparison, "base")
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
