"""Section 4, second half: units, codes, doubled rows, prevalence, and whom the data stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audits.reporting.document.blocks import Block, Column, Grid, Missing, Text
from audits.reporting.document.tables import cells
from audits.reporting.words import (
    count,
    estimate_text,
    humanised,
    level_text,
    number,
    p_text,
)

Quality = Mapping[str, Any]


def quality_details(quality: Quality) -> Iterator[Block]:
    """Yield doubled rows, units, code systems and prevalence by site and month."""
    yield from _doubled(quality)
    yield from _units(quality.get("units") or [])
    yield from _codes(quality.get("code_systems") or {})
    yield from _prevalence(quality)


def _doubled(quality: Quality) -> Iterator[Block]:
    doubled = quality.get("doubled_rows") or {}
    if doubled.get("state") != "computed":
        return
    rows = count(doubled["rows"].get("count"), suppressed=True)
    text = f"Rows that repeat the content of another one: {rows}."
    if "under_other_patients" in doubled:
        others = count(doubled["under_other_patients"].get("count"), suppressed=True)
        text += f" Patients that share all of a row's content with another patient: {others}."
    yield Text(text=text)


def _units(units: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    bare = [u.get("label") or u["variable"] for u in units if u["state"] == "not_declared"]
    if bare:
        yield Text(text=f"Variables without a declared unit: {', '.join(bare)}.")
    for unit in units:
        for doubt in unit.get("doubts") or ():
            k, n = (count(doubt.get(x), suppressed=True) for x in ("k", "n"))
            yield Text(
                text=f"{unit.get('label') or unit['variable']}: {k} of {n} values far outside the "
                f"reference range would lie in it after a conversion ({doubt['conversion']})."
            )


def _codes(codes: Quality) -> Iterator[Block]:
    held = codes.get("variables") or []
    if held:
        good = [c for c in held if c["state"] == "recognised"]
        systems = ", ".join(sorted({c["system"] for c in good})) or "none"
        yield Text(
            text=f"Codes of variables that can be what they say, by form and check digit: "
            f"{len(good)} of {len(held)} ({systems}). No terminology server was asked."
        )
    for code in held:
        if code["state"] != "recognised":
            yield Text(
                text=f"{humanised(code['variable'])}, code {code['code']}: {code['reason']}."
            )
    for column in codes.get("columns") or ():
        k, n = (count(column.get(x), suppressed=True) for x in ("k", "n"))
        yield Text(
            text=f"{humanised(column['variable'])} holds {column['system']} codes: {k} of {n} "
            "values have that form."
        )


def _prevalence(quality: Quality) -> Iterator[Block]:
    sites = [p for p in quality.get("prevalence") or () if p.get("attribute")]
    if sites:
        yield _prevalence_grid("Prevalence by site", sites, "level", "Site")
    if (quality.get("prevalence_by_month") or {}).get("months"):
        yield Text(
            text="Prevalence by month is drawn in section 10; prevalence_by_month.csv holds it.",
            style="small",
        )


def _prevalence_grid(caption: str, rows: Sequence[Mapping[str, Any]], key: str, head: str) -> Grid:
    return Grid(
        caption=caption,
        columns=(
            Column(label="Label", share=1.5),
            Column(label=head, share=1.5),
            Column(label="With the condition", align="right"),
            Column(label="Cases", align="right"),
            Column(label="Prevalence", align="right", share=1.6),
        ),
        rows=tuple(
            cells(
                humanised(row["label"]),
                level_text(str(row[key])),
                count(row.get("k"), suppressed=True),
                count(row.get("n"), suppressed=True),
                estimate_text({**row, "value": row.get("share")}, "percent"),
            )
            for row in rows
        ),
    )


def population(outputs: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """Yield the cohort beside the declared target population, or that none is declared.

    Args:
        outputs: Of the evidence; the first one that was compared is shown.
    """
    sections = [(o.get("causes") or {}).get("representativeness") for o in outputs]
    found = [s for s in sections if s]
    if not found:
        return
    computed = next((s for s in found if s.get("state") == "computed"), None)
    if computed is None:
        yield Missing(text=f"Representativeness: {found[0].get('reason')}.")
        return
    for one in computed["attributes"]:
        if one.get("state") != "computed":
            yield Missing(text=f"{humanised(one['attribute'])}: {one.get('reason')}.")
            continue
        yield Grid(
            caption=f"{humanised(one['attribute'])}: the cohort beside the declared target "
            f"population (p {p_text(one.get('p'))} for all shares at once)",
            columns=(
                Column(label="Level", share=1.5),
                Column(label="Cohort", align="right", share=1.6),
                Column(label="Population", align="right"),
                Column(label="Cohort / population", align="right", share=1.5),
            ),
            rows=tuple(
                cells(
                    level_text(str(level["level"])),
                    estimate_text(level["cohort"], "percent"),
                    number(level["population"], "percent"),
                    estimate_text(level["ratio"], "ratio"),
                )
                for level in one["levels"]
            ),
        )
        if one.get("not_in_population"):
            names = ", ".join(map(str, one["not_in_population"]))
            yield Text(text=f"In the cohort, not in the population: {names}.", style="small")
