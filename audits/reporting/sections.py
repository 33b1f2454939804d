"""The report's table of contents: one source for every format and for the crosswalk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionTitle:
    """One section of the report.

    Attributes:
        id: Name by which requirements and links refer to it.
        number: As printed: 0 to 17, then A to D.
        title: Heading.
        question: What a reader finds in it, in one plain sentence.
    """

    id: str
    number: str
    title: str
    question: str


SECTIONS: tuple[SectionTitle, ...] = tuple(
    SectionTitle(id=id_, number=number, title=title, question=question)
    for id_, number, title, question in (
        ("cover", "0", "Cover and filing", "What was audited, with which data, when, by what."),
        ("executive", "1", "Executive finding", "What was found, and what could not be told."),
        ("use", "2", "Intended use and scope", "What the model is for, as its maker declares it."),
        (
            "inputs",
            "3",
            "Protected-basis inputs",
            "Which inputs measure race, sex, age, disability or the like.",
        ),
        (
            "data",
            "4",
            "Data and representativeness",
            "Who is in the data, what is missing and who was left out.",
        ),
        ("model", "5", "Model description", "What the model is and where it calls a case."),
        ("overall", "6", "Overall performance", "How well the model does for everybody together."),
        (
            "subgroups",
            "7",
            "Subgroup and fairness results",
            "How well it does for each group, and whether groups differ by more than the margin.",
        ),
        ("errors", "8", "Error analysis", "Where and why it errs."),
        (
            "explanations",
            "9",
            "Explanations and their validity",
            "What drives its scores, and how far the explanations may be trusted.",
        ),
        ("robustness", "10", "Robustness and drift", "What happens when inputs change."),
        (
            "versions",
            "11",
            "Version comparison and change control",
            "What changed from the version before, and for whom.",
        ),
        ("risks", "12", "Risks and mitigation", "What has to be acted on, by whom and until when."),
        ("oversight", "13", "Human oversight and use", "Who watches over it and how."),
        ("monitoring", "14", "Monitoring plan", "When and how it is looked at again."),
        ("privacy", "15", "Privacy and security", "What this report may show, and what is masked."),
        (
            "limitations",
            "16",
            "Limitations and what is not available",
            "What this report cannot say, and why.",
        ),
        ("attestations", "17", "Attestations", "Who vouches for it."),
        (
            "crosswalk",
            "A",
            "Crosswalk to requirements",
            "Where each requirement finds its evidence, and in which state.",
        ),
        ("methods", "B", "Methods", "How every number was computed."),
        ("tables", "C", "Tables in full", "Every group and every declared comparison."),
        ("glossary", "D", "Glossary", "What the words mean."),
    )
)
"""Every section in order."""

_BY_ID = {one.id: one for one in SECTIONS}


def section(id_: str) -> SectionTitle:
    """Return a section.

    Raises:
        KeyError: There is no such section.
    """
    return _BY_ID[id_]
