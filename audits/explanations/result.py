"""One explanation of one score of one case, with what it takes to judge it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from audits.explanations.map_words import map_unit
from audits.risk_points import risk_points
from audits.types import Finding

if TYPE_CHECKING:
    from audits.explanations.localisation.metrics import Localisation
    from audits.explanations.parts.evidence import NoteEvidence, Timeline
    from audits.explanations.segmentation.facts import RegionFacts
    from audits.explanations.sensitivity import BackgroundView
    from model_adapters.base import SignalValue

Method = Literal[
    "gradcam",
    "hirescam",
    "gradcam++",
    "layercam",
    "eigencam",
    "integrated_gradients",
    "expected_gradients",
    "smoothgrad",
    "occlusion",
    "region_shapley",
    "rise",
    "attention_relevance",
    "residual",
    "shapley",
    "tree_interventional",
    "tree_path",
    "linear",
]
Verdict = Literal["reflects", "weak", "fails", "not_checked"]

MAP_FILE = "map.npz"
EXPLANATION_FILE = "explanation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The explained score on both scales.

    Attributes:
        logit: Log-odds, or None where the output has no probability (or it is exactly 0 or 1).
        probability: Probability, or None where the output is a value, a log-hazard or the like.
        value: The model's own number where it is neither.
    """

    logit: float | None
    probability: float | None
    value: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """Return the contract's ``score``; ``value`` only where the output is neither scale."""
        out: dict[str, float | None] = {"logit": self.logit, "probability": self.probability}
        if self.value is not None:
            out["value"] = self.value
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundId:
    """Which cohort an effect is measured against.

    Attributes:
        name: What it is, how many of how many, and the seed of the draw.
        sha256: Hash of the study and of the drawn cases.
        n: Rows.
        cohort: Its name on the command line, or None for an image's own baseline.
    """

    name: str
    sha256: str
    n: int
    cohort: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "sha256": self.sha256, "n": self.n, "cohort": self.cohort}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementPart:
    """The part of an effect that is due to being measured or not; the rest is the value's.

    Attributes:
        effect: In the unit of the effect.
        se: Its standard error; None where it was not estimated.
    """

    effect: float
    se: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return plain data."""
        return {"effect": self.effect, "se": self.se}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerEffect:
    """The share of one player (a clinical variable, a region) in the score.

    Attributes:
        name: Column of the study, or name of the region.
        label: Words a clinician uses.
        value: The case's value, ``"not measured"``, or None for regions.
        unit: UCUM unit of ``value``, or None.
        effect: Change of the explained score, in the unit of the estimand; positive raises it.
        se: Standard error of ``effect``; 0 where it is exact, None where it was not estimated.
        measurement: Part of ``effect`` that is due to being measured or not, or None where the
            variable is measured in everybody who takes part.
        low: Lower end of the reference range in ``unit``, or None.
        high: Upper end, or None.
        code: LOINC, SNOMED or RxNorm code, or None.
        members: Effects inside a group of very many variables that was looked into.
        curve: Output and effect on it, in the model's order, where outputs are points in time.
    """

    name: str
    label: str
    value: float | str | None
    unit: str | None
    effect: float
    se: float | None
    measurement: MeasurementPart | None = None
    low: float | None = None
    high: float | None = None
    code: str | None = None
    members: tuple[PlayerEffect, ...] = ()
    curve: tuple[tuple[str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "unit": self.unit,
            "effect": self.effect,
            "se": self.se,
            "measurement": None if self.measurement is None else self.measurement.to_dict(),
            "low": self.low,
            "high": self.high,
            "code": self.code,
            "members": [member.to_dict() for member in self.members],
            "curve": [{"output": name, "effect": effect} for name, effect in self.curve],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialMap:
    """A signed map; positive raises the score.

    Attributes:
        native: float32 on the method's own grid (for a CAM, the layer's).
        patient: float32 on the grid of the image as it was stored, or None where the model's
            preprocessing has no inverse.
        layer: Module the map was read at, or None for methods that perturb pixels.
        scale: Magnitude at which the legend ends: the largest absolute value over all outputs
            of this case, so that maps of different outputs can be compared.
        field: Name of the model's input field.
        image: The stored image on 0-1 for display, same leading shape as ``patient``, or None.
        signal: The stored recording for display, whose samples ``patient`` belongs to, or None.
        extra: Further arrays of the explanation by name, such as what the model segmented.
    """

    native: npt.NDArray[np.float32]
    patient: npt.NDArray[np.float32] | None
    layer: str | None
    scale: float
    field: str
    image: npt.NDArray[np.float32] | None = None
    signal: SignalValue | None = None
    extra: Mapping[str, npt.NDArray[Any]] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's ``map``: where the arrays are, and how coarse they are."""
        return {
            "file": MAP_FILE,
            "native_size": list(self.native.shape),
            "layer": self.layer,
            "scale": self.scale,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A test of the explanation itself; it says nothing about whether the model is right.

    Attributes:
        name: What was tested.
        value: The statistic, or None where it was not computed.
        null: What the statistic is compared with.
        verdict: ``not_checked`` until it was computed.
        detail: Further numbers in words, or empty.
    """

    name: str
    value: float | None
    null: float | None
    verdict: Verdict
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; ``detail`` only where there is one."""
        out: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "null": self.null,
            "verdict": self.verdict,
        }
        return {**out, "detail": self.detail} if self.detail else out


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExplanation:
    """Why the model gave this case this score.

    Attributes:
        case: Case id.
        model: ``id@version``.
        output: Name of the explained output.
        score: The explained score.
        method: How it was computed.
        estimand: One sentence on what the numbers mean and in which unit.
        background: The cohort that effects are measured against, or None.
        base_value: Mean score of the background, in the unit of the estimand, or None.
        additivity_residual: |sum of effects - (score - base)| / max(|score - base|, 0.01).
        off_support_share: Share of the hybrid inputs that lie outside the cohort's support.
        players: Effects, in the order of the model's inputs; empty for maps.
        map: The spatial map, or None.
        localisation: How the map agrees with the study's mask or boxes of the finding, or None.
        region: What is explained of a segmentation, and its size; None for every other model.
        timeline: Effects over time, for models that read measurements over time.
        note: Effects of sections, sentences and words, for models that read a note.
        modalities: Effects of whole inputs, for models with several; players add up to them.
        checks: Tests of this explanation.
        sensitivity: The same effects against the other cohorts that the study can form.
        findings: What the reader must know, for example a fallback.
        observed_risk: How many of a hundred cases with such a risk had the condition, or why that
            is not known; None where the run that holds the explanation tells it.
    """

    case: str
    model: str
    output: str
    score: Score
    method: Method
    estimand: str
    background: BackgroundId | None = None
    base_value: float | None = None
    additivity_residual: float | None = None
    off_support_share: float | None = None
    players: tuple[PlayerEffect, ...] = ()
    map: SpatialMap | None = None
    localisation: Localisation | None = None
    region: RegionFacts | None = None
    timeline: Timeline | None = None
    note: NoteEvidence | None = None
    modalities: tuple[PlayerEffect, ...] = ()
    checks: tuple[Check, ...] = ()
    sensitivity: tuple[BackgroundView, ...] = ()
    findings: tuple[Finding, ...] = ()
    observed_risk: Mapping[str, Any] | None = None

    @property
    def parts(self) -> tuple[PlayerEffect, ...]:
        """Return the players that cases of one model share: of a note its sections."""
        if self.note is None or self.modalities:
            return self.players
        return tuple(
            PlayerEffect(
                name=unit.name,
                label=unit.name.capitalize(),
                value=None,
                unit=None,
                effect=unit.effect,
                se=unit.se,
            )
            for unit in self.note.units
            if unit.level == "section"
        )

    @property
    def native(self) -> npt.NDArray[np.float32] | None:
        """Return the signed map on the method's grid, or None."""
        return None if self.map is None else self.map.native

    @property
    def patient(self) -> npt.NDArray[np.float32] | None:
        """Return the signed map on the stored image's grid, or None."""
        return None if self.map is None else self.map.patient

    def _map(self) -> dict[str, Any] | None:
        if self.map is None:
            return None
        return {**self.map.to_dict(), "unit": map_unit(self.method, self.score.to_dict())}

    def to_dict(self) -> dict[str, Any]:
        """Return ``explanation.json``: plain data, no NaN, undefined is None."""
        return {
            "case": self.case,
            "model": self.model,
            "output": self.output,
            "score": self.score.to_dict(),
            "method": self.method,
            "estimand": self.estimand,
            "background": None if self.background is None else self.background.to_dict(),
            "base_value": self.base_value,
            "additivity_residual": self.additivity_residual,
            "off_support_share": self.off_support_share,
            "players": [
                player.to_dict() | {"risk_points": risk_points(player.effect, self.score.logit)}
                for player in self.players
            ],
            "map": self._map(),
            "localisation": None if self.localisation is None else self.localisation.to_dict(),
            "region": None if self.region is None else self.region.to_dict(),
            "timeline": None if self.timeline is None else self.timeline.to_dict(),
            "note": None if self.note is None else self.note.to_dict(),
            "modalities": [one.to_dict() for one in self.modalities],
            "checks": [check.to_dict() for check in self.checks],
            "sensitivity": [view.to_dict() for view in self.sensitivity],
            "findings": [finding.to_dict() for finding in self.findings],
            **({} if self.observed_risk is None else {"observed_risk": dict(self.observed_risk)}),
        }

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Return what the map's NPZ holds: ``native``, ``patient`` where it exists, and extras."""
        if self.map is None:
            return {}
        patient = {} if self.map.patient is None else {"patient": self.map.patient}
        return {"native": self.map.native, **patient, **self.map.extra}

    def save(self, folder: Path | str) -> tuple[Path, ...]:
        """Write ``explanation.json`` and, for a map, ``map.npz``, ``map.png`` and ``image.png``.

        Args:
            folder: Made where it is missing; files of the same names are replaced.

        Returns:
            The files written.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
        )
        written = [target / EXPLANATION_FILE]
        written[0].write_text(text + "\n", encoding="utf-8")
        if self.map is not None:
            written.append(target / MAP_FILE)
            _write_arrays(written[-1], self.arrays())
            shown = self.map.image is not None or self.map.signal is not None
            if shown and self.map.patient is not None:
                from audits.explanations.figures import save_figures

                written.extend(save_figures(self, target))
        return tuple(written)


def _write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays as a compressed NPZ that opens without pickle."""
    save: Any = np.savez_compressed  # its stub takes every keyword for a flag
    save(path, **arrays)
