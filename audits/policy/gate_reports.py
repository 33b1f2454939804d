"""What a CI job shows of the gate: JUnit XML for its test view, Markdown for the pull request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from xml.etree import ElementTree as ET

from audits.policy.gate import GateResult, RuleResult

_SAID = {"pass": "pass", "violated": "**violated**", "inconclusive": "inconclusive"}
_SHOWN = 20


def junit_xml(result: GateResult, *, run: str, time: str, notes: Sequence[str] = ()) -> str:
    """Return the gate as one JUnit test suite, a test case per rule.

    A violated rule is a failure; an inconclusive one is a failure or skipped, as its
    ``on_inconclusive`` says. All that the strict schema of Ant's JUnit task asks for is there:
    rules read what the run holds, so they take no time, and no host is named.

    Args:
        result: The gate's answer.
        run: Id of the judged run.
        time: When it was judged, ISO 8601.
        notes: What the reader must know of the test set, one line each.
    """
    failing = [one for one in result.results if _fails(one)]
    skipped = [one for one in result.results if one.outcome == "inconclusive" and not _fails(one)]
    suite = ET.Element(
        "testsuite",
        name=f"auscult gate {run}",
        timestamp=time[:19],
        hostname="localhost",
        tests=str(len(result.results)),
        failures=str(len(failing)),
        skipped=str(len(skipped)),
        errors="0",
        time="0",
    )
    told = ET.SubElement(suite, "properties")
    ET.SubElement(told, "property", name="exit_code", value=str(result.exit_code))
    for one in result.results:
        case = ET.SubElement(suite, "testcase", classname="auscult.gate", name=one.name, time="0")
        if one.outcome == "pass":
            continue
        kind = "failure" if _fails(one) else "skipped"
        element = ET.SubElement(case, kind, message=one.line(), type=one.outcome)
        element.text = _judgements(one)
    lines = [*(one.line() for one in result.results), *notes]
    ET.SubElement(suite, "system-out").text = "\n".join(lines)
    ET.SubElement(suite, "system-err")
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
    lines = [f"### Gate {verdict}: run {run}", "", f"Exit code {result.exit_code}.", ""]
    lines += ["| rule | outcome | judged | worst |", "|---|---|---|---|"]
    for one in result.results:
        worst = one.judgements[0]
        said, judged = _cell(f"{worst.subject}: {worst.detail}"), len(one.judgements)
        lines.append(f"| {_cell(one.name)} | {_SAID[one.outcome]} | {judged} | {said} |")
    for one in result.results:
        if one.outcome != "pass":
            lines += ["", f"<details><summary>{escape(one.name)}</summary>", "", "```"]
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
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")
