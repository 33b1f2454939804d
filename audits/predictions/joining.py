"""Which output of a model is judged by which label of a study."""

from __future__ import annotations

from dataclasses import dataclass

from audits.cohorts import Study
from audits.errors import AuditError
from audits.types import Finding
from model_adapters.base import ModelAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputJoin:
    """Outputs with a label of their name.

    Attributes:
        names: Outputs that can be judged, in the model's order.
        columns: Their positions among the model's outputs.
        findings: Outputs without a label and labels without an output.
    """

    names: tuple[str, ...]
    columns: tuple[int, ...]
    findings: tuple[Finding, ...]


def join_outputs(study: Study, adapter: ModelAdapter) -> OutputJoin:
    """Join a model's outputs to a study's labels by name.

    Raises:
        AuditError: If no output has a label of its name.
    """
    outputs, labels, key = adapter.output.names, tuple(study.labels), adapter.card.key
    columns = tuple(index for index, name in enumerate(outputs) if name in study.labels)
    if not columns:
        raise AuditError(
            f"Model {key}: its outputs are {_listed(outputs)}, but the labels of study "
            f"{study.name} are {_listed(labels)}; name [labels.NAME] in study.toml after the "
            "outputs."
        )
    findings = [
        Finding(
            severity="warning",
            where=f"{key}: {name}",
            message=f"The study has no label {name!r}, so this output is not audited.",
        )
        for name in outputs
        if name not in study.labels
    ]
    findings += [
        Finding(
            severity="info",
            where=f"labels.{name}",
            message=f"The model {key} has no output {name!r}.",
        )
        for name in labels
        if name not in outputs
    ]
    return OutputJoin(
        names=tuple(outputs[index] for index in columns), columns=columns, findings=tuple(findings)
    )


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")  # noqa: PLR2004 - a line
    return shown or "none"
