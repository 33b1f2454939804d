"""Comparisons of every group with its reference, before the run's multiplicity is known."""

from __future__ import annotations

import zlib

import numpy as np

from audits.fairness.area_contrasts import contrast_areas
from audits.fairness.auroc import Areas
from audits.fairness.contrasts import Contrast, contrast_oe, contrast_rates
from audits.fairness.families import Family
from audits.fairness.heterogeneity import estimate_heterogeneity, rate_heterogeneity
from audits.fairness.interactions import empirical_logits
from audits.fairness.number_errors import contrast_means
from audits.fairness.ratios import REST, Ratio
from audits.fairness.reference_areas import reference_areas
from audits.fairness.subject import Subject
from audits.fairness.swept import Observed, Swept
from audits.fairness.types import FloatArray, Heterogeneity, IntArray
from audits.fairness.verdicts import Draft


class Drafter:
    """Makes the drafts and the heterogeneity of one family."""

    def __init__(
        self,
        subject: Subject,
        family: Family,
        reference: int,
        wanted: IntArray,
        *,
        crossed: bool,
        swept: Swept | None = None,
    ) -> None:
        self.subject, self.family, self.crossed = subject, family, crossed
        self.swept = swept
        self.reference, self.wanted = reference, wanted
        self.reference_name = (
            "rest" if reference == REST else next(iter(family.labels[reference].values()))
        )
        self.patients = family.patients

    def _drafts(  # noqa: PLR0913, PLR0917 - what differs between metrics
        self,
        metric: str,
        contrast: Contrast,
        scale: tuple[FloatArray, FloatArray],
        method: str,
        rows: FloatArray,
        patients: FloatArray,
        counts: tuple[FloatArray, ...] | None = None,
    ) -> list[Draft]:
        named = self.subject.frame.named_patients
        out = []
        for index in self.wanted.tolist():
            four = None if counts is None else tuple(int(item[index]) for item in counts)
            out.append(
                Draft(
                    output=self.subject.index,
                    metric=metric,
                    family=self.family,
                    index=index,
                    reference=self.reference_name,
                    contrast=contrast,
                    counts=four,  # type: ignore[arg-type]
                    rows=int(rows[index]),
                    patients=float(patients[index]) if named else None,
                    everyone=self._everyone(patients, index) if named else None,
                    scale=scale,
                    method=method,
                    crossed=self.crossed,
                )
            )
        return out

    def _everyone(self, patients: FloatArray, index: int) -> int:
        """Return the patients behind a difference: those of the group and of its reference."""
        own, family = float(patients[index]), self.family
        if self.reference != REST:
            both = 0.0
            if family.shared and self.swept is not None:
                both = float(self.swept.first["together"][index])
            return int(own + patients[self.reference] - both)
        return family.cohort if family.shared else int(patients.sum())

    def rates(self, metric: str, ratio: Ratio) -> list[Draft]:
        """Return the drafts of a rate."""
        policy = self.subject.policy
        contrast = contrast_rates(
            metric, ratio, margin=policy.margins[metric], needed=policy.min_effective_n
        )
        own, ref = ratio.group, ratio.reference
        if ref is None:
            return []
        deff = own.deff(ratio.rho)
        return self._drafts(
            metric,
            contrast,
            empirical_logits(own.k / deff, own.n / deff),
            "newcombe" if ratio.shared is None else "newcombe with correlation",
            own.n + ref.n,
            own.patients,
            (own.k, own.n, ref.k, ref.n),
        )

    def areas(self, areas: Areas) -> list[Draft]:
        """Return the drafts of the AUROC."""
        frame, policy, swept = self.subject.frame, self.subject.policy, self.swept
        if swept is None or swept.against is None:
            return []
        prefix = "reference "
        ref, covariance = reference_areas(
            {k.removeprefix(prefix): v for k, v in swept.second.items() if k.startswith(prefix)},
            self.family,
            areas,
            swept.against,
            clustered=frame.clustered,
        )
        contrast = contrast_areas(
            areas,
            ref,
            covariance,
            self.subject.moments,
            shared=self.family.shared,
            clustered=frame.clustered,
            margin=policy.margins["auroc"],
            needed=policy.min_effective_per_class,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.clip(areas.area, 1e-9, 1 - 1e-9)
            scale = np.log(inner / (1 - inner)), areas.variance / (inner * (1 - inner)) ** 2
        rows = areas.positives + areas.negatives + ref.positives + ref.negatives
        return self._drafts("auroc", contrast, scale, "from both arms' limits", rows, self.patients)

    def observed(self, observed: Observed) -> list[Draft]:
        """Return the drafts of observed over expected."""
        policy, own = self.subject.policy, observed.ratio.group
        contrast = contrast_oe(
            observed.ratio,
            deff=observed.deff,
            margin=policy.margins["oe_ratio"],
            needed=policy.min_effective_n,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(own.k > 0, own.value, np.nan)
            scale = np.log(value), own.variance / value**2
        own_rows = np.zeros(self.family.size) if self.swept is None else self.swept.n
        rows = np.full(self.family.size, own_rows.sum())
        if self.reference != REST:
            rows = own_rows + own_rows[self.reference]
        return self._drafts(
            "oe_ratio", contrast, scale, "log ratio, influence function", rows, self.patients
        )

    def means(self, metric: str, ratio: Ratio, deff: float) -> list[Draft]:
        """Return the drafts of a mean error."""
        policy, own = self.subject.policy, ratio.group
        contrast = contrast_means(
            ratio, deff=deff, margin=policy.margins[metric], needed=policy.min_effective_n
        )
        rows = own.n + (own.n if ratio.reference is None else ratio.reference.n)
        return self._drafts(
            metric,
            contrast,
            (own.value, own.variance),
            "t, influence function",
            rows,
            self.patients,
        )

    def rate_spread(self, metric: str, ratio: Ratio) -> list[Heterogeneity]:
        """Return the heterogeneity of a rate, where the family is declared."""
        if not self.family.declared:
            return []
        name = self.family.name
        key = zlib.crc32(f"{self.subject.index}|{metric}|{name}".encode())
        rng = np.random.default_rng([self.subject.seed, key])
        effective = ratio.group.n / ratio.group.deff(ratio.rho)
        return [rate_heterogeneity(metric, name, ratio.group.value, effective, rng)]

    def spread(self, metric: str, values: FloatArray, variances: FloatArray) -> list[Heterogeneity]:
        """Return the heterogeneity of estimates, where the family is declared."""
        if not self.family.declared:
            return []
        return [estimate_heterogeneity(metric, self.family.name, values, variances)]
