"""Section 15: the release, what it masks, what the images state, and what exports were chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.reporting.document.blocks import Block, Column, Fact, Facts, Grid, Missing, Row, Text
from audits.reporting.document.findings import output_label
from audits.reporting.document.front import RELEASE_WORDS
from audits.reporting.document.model_parts import declared
from audits.reporting.document.tables import cells
from audits.reporting.requirements import profiles
from audits.reporting.summary import masked_counts
from audits.reporting.words import MISSING, count

Evidence = Mapping[str, Any]
_TAGS = {
    "PatientIdentityRemoved": "Patient identity removed (0012,0062)",
    "BurnedInAnnotation": "Burned-in annotation (0028,0301)",
    "RecognizableVisualFeatures": "Recognizable visual features (0028,0302)",
    "LongitudinalTemporalInformationModified": "Dates modified (0028,0303)",
}
_STATED = {"yes": "YES", "no": "NO", "not_stated": "not stated"}


def privacy(evidence: Evidence) -> Iterator[Block]:
    """Yield section 15."""
    suppression = evidence["policy"].get("suppression", {})
    reason = evidence["policy"].get("reasons", {}).get("suppression.cell") or MISSING
    yield Facts(
        facts=(
            Fact(label="Release", value=RELEASE_WORDS[evidence["release"]]),
            Fact(
                label="Rule",
                value=f"counts of 1 to {suppression.get('cell', 10)} and everything that would "
                "reveal one are masked in the restricted release; 0 is shown",
            ),
            Fact(label="Why", value=reason),
            *_options(evidence),
        )
    )
    if evidence["release"] == "restricted":
        yield _log(evidence)
    yield from declared(evidence, ("deidentification", "consent", "access_log", "cybersecurity"))
    yield from _images(evidence["data_quality"].get("deidentification"))
    yield Text(
        text="No case, no image and no text of a note is part of this report. Explanations of "
        "single patients stay in the run folder."
    )


def _options(evidence: Evidence) -> Iterator[Fact]:
    """Yield the options that this export was made with."""
    answered = {r["profile"] for r in evidence["requirements"] if r.get("profile")}
    names = [p.short for p in profiles() if p.id in answered]
    scores = any((o.get("reliability") or {}).get("bins") for o in evidence["outputs"])
    yield Fact(
        label="Options of this export",
        value=f"release {evidence['release']}; profiles {', '.join(names) or 'none'}; images no; "
        f"texts of notes no; counts by score {'yes' if scores else 'no'}; "
        "thresholds those of section 2",
    )


def _log(evidence: Evidence) -> Grid:
    return Grid(
        caption="Suppression log",
        columns=(
            Column(label="Output", share=2.5),
            Column(label="Groups", align="right"),
            Column(label="with masked numbers", align="right"),
            Column(label="Comparisons", align="right"),
            Column(label="with masked numbers", align="right"),
        ),
        rows=tuple(_masked(output) for output in evidence["outputs"]),
    )


def _masked(output: Mapping[str, Any]) -> Row:
    return cells(output_label(output), *(count(n) for n in masked_counts(output).values()))


def _images(found: Mapping[str, Any] | None) -> Iterator[Block]:
    """Yield what DICOM images state of their de-identification, with the codes of its options."""
    if found is None:
        return
    if found.get("state") != "computed":
        yield Missing(text=f"De-identification of the images: {found.get('reason')}.")
        return
    yield Grid(
        caption="What the DICOM images state of their de-identification (PS3.15 Annex E); what "
        "is not stated is not denied",
        columns=(
            Column(label="Attribute", share=2.2),
            Column(label="Stated", share=1),
            Column(label="Images", align="right", share=0.8),
            Column(label="Of", align="right", share=0.8),
        ),
        rows=tuple(
            cells(
                _TAGS[one["tag"]],
                _STATED[one["stated"]],
                count(one.get("k"), suppressed=True),
                count(one.get("n"), suppressed=True),
            )
            for one in found["statements"]
        ),
    )
    options = found.get("options") or []
    if not options:
        yield Missing(
            text="Options of the de-identification: no image names a code of CID 7050 in "
            "(0012,0064)."
        )
        return
    yield Grid(
        caption="Options of the de-identification, as the images name them (CID 7050)",
        columns=(
            Column(label="Code", share=0.8),
            Column(label="Meaning", share=3),
            Column(label="Images", align="right", share=0.8),
            Column(label="Of", align="right", share=0.8),
        ),
        rows=tuple(
            cells(
                str(one["code"]),
                str(one["meaning"]),
                count(one.get("k"), suppressed=True),
                count(one.get("n"), suppressed=True),
            )
            for one in options
        ),
    )
