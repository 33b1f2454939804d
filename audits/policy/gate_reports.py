"""What a CI job shows of the gate: JUnit XML for its test view, Markdown for the pull request."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from audits.policy.gate import GateResult, RuleResult

_SAID = {"pass": "pass", "violated": "**violated**", "inconclusive": "inconclusive"}
_SHOWN = 20


def junit_xml(result: GateResult, *, run: str) -> str:
    """Return the gate as one JUnit test suite, a test case per rule.

    A violated rule is a failure; an inconclusive one is a failure or skipped, as its
    ``on_inconclusive`` says.
    """
    failing = [one for one in result.results if _fails(one)]
    skipped = [one for one in result.results if one.outcome == "inconclusive" and not _fails(one)]
    suite = ET.Element(
        "testsuite",
        name=f"auscult gate {run}",
        tests=str(len(result.results)),
        failures=str(len(failing)),
        skipped=str(len(skipped)),
        errors="0",
    )
    for one in result.results:
        case = ET.SubElement(suite, "testcase", classname="auscult.gate", name=one.name)
        if one.outcome == "pass":
            continue
        kind = "failure" if _fails(one) else "skipped"
        element = ET.SubElement(case, kind, message=one.line())
        element.text = _judgements(one)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def markdown_summary(result: GateResult, *, run: str, notes: Sequence[str] = ()) -> str:
    """Return a table of the rules and, folded, every judgement that did not pass.

    Args:
        result: The gate's answer.
        run: Id of the judged run.
        notes: What the reader must know of the test set, one line each.
    """
    verdict = {0: "passed", 1: "failed", 3: "undecided"}[result.exit_code]
    lines = [f"### Gate {verdict}: run {run}", "", "| rule | outcome | worst |", "|---|---|---|"]
    for one in result.results:
        worst = one.judgements[0]
        said = f"{worst.subject}: {worst.detail}" if one.outcome != "pass" else ""
        lines.append(f"| {_cell(one.name)} | {_SAID[one.outcome]} | {_cell(said)} |")
    for one in result.results:
        if one.outcome != "pass":
            lines += ["", f"<details><summary>{one.name}</summary>", "", "```"]
            lines += [_judgements(one), "```", "", "</details>"]
    lines += [line for note in notes for line in ("", note)]
    return "\n".join(lines) + "\n"


def _fails(one: RuleResult) -> bool:
    undecided = one.outcome == "inconclusive" and one.rule.on_inconclusive == "fail"
    return one.outcome == "violated" or undecided


def _judgements(one: RuleResult) -> str:
    open_ones = [j for j in one.judgements if j.outcome != "pass"]
    lines = [f"{j.outcome}: {j.subject}: {j.detail}" for j in open_ones[:_SHOWN]]
    if len(open_ones) > _SHOWN:
        lines.append(f"and {len(open_ones) - _SHOWN} more")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
