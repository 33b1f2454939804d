"""What the release gate would say of this run by the rules it was made under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from audits.errors import PackageError
from audits.policy import load_policy
from audits.policy.gate import GateResult, RuleResult, run_gate
from audits.policy.gate_data import refuse_tuned_on_test
from audits.storage import Store
from dashboard.settings import read_settings
from dashboard.views.context import Context
from dashboard.views.elements import show_table
from dashboard.words import word

SHOWN = 12
UNDECIDED = (
    "These cases show neither that every rule holds nor that one is violated, and a rule says "
    "that this stops the release."
)
SAID = {0: "pass", 1: "violated", 3: "inconclusive"}


def gate_part(chosen: Context) -> None:
    """Show one line a rule, and what did not pass; looking does not count as a use."""
    rules = chosen.evidence["policy"].get("gate", {}).get("rule", [])
    if not rules:
        st.write(
            "The policy of this run declares no gate. Add `[[gate.rule]]` to it, for example a "
            'non-inferiority of `tpr` in `"every group"`.'
        )
        return
    try:
        refuse_tuned_on_test(chosen.evidence)
        result = run_gate(chosen.evidence, load_policy({"gate": {"rule": rules}}))
    except PackageError as error:
        st.write(str(error))
        return
    entry = word("verdict", SAID[result.exit_code])
    said = UNDECIDED if entry.name == "inconclusive" else entry.definition
    st.markdown(
        f"{entry.badge} {said} `auscult gate` would end with exit code **{result.exit_code}**."
    )
    show_table(_rows(result), alt="Every rule of the gate with its outcome")
    for one in result.results:
        _open_judgements(one)
    st.caption(_uses(chosen.evidence))
    st.code(f"auscult gate {chosen.ref.path} --policy FILE", language="bash")


def _rows(result: GateResult) -> list[dict[str, str]]:
    return [
        {
            "Outcome": word("verdict", one.outcome).badge,
            "Rule": one.name,
            "If inconclusive": one.rule.on_inconclusive,
            "Judged": str(len(one.judgements)),
            "Did not pass": str(sum(judged.outcome != "pass" for judged in one.judgements)),
        }
        for one in result.results
    ]


def _open_judgements(rule: RuleResult) -> None:
    """List where a rule did not pass, the first few of them."""
    failed = [judged for judged in rule.judgements if judged.outcome != "pass"]
    if not failed:
        return
    st.markdown(f"**{rule.name}**: where it did not pass")
    rows = [
        {
            "Outcome": word("verdict", judged.outcome).badge,
            "Where": judged.subject,
            "Found": judged.detail,
        }
        for judged in failed[:SHOWN]
    ]
    show_table(rows, alt=f"Where the rule {rule.name} did not pass")
    if len(failed) > SHOWN:
        st.caption(f"And {len(failed) - SHOWN} more.")


def _uses(evidence: Mapping[str, Any]) -> str:
    """Say how often this test set has gated already, as far as this store knows."""
    before = Store(read_settings().store).gates(str(evidence["study"]["sha256"]))
    if not before:
        return "This test set has not gated anything in this store. Looking here does not count."
    times = "once" if len(before) == 1 else f"{len(before)} times"
    return (
        f"This test set has gated {times} in this store, last on {before[-1].time[:10]}; the more "
        "often it does, the less it says. Looking here does not count."
    )
