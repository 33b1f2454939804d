"""The parts of the suite: what is simulated, and how many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.validity import coverage, promises


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One setting of the suite.

    Attributes:
        name: What is simulated.
        run: Function of ``first`` and ``audits`` and the settings that returns counts.
        settings: Its arguments.
        audits: How many audits the full suite runs.
        share: Audits of one portion relative to others, less where an audit is large.
    """

    name: str
    run: Callable[..., dict[str, Any]]
    settings: dict[str, Any]
    audits: int
    share: float = 1.0


def suite(audits: int) -> list[Part]:
    """Return the suite with so many audits a setting."""
    fewer = max(audits // 5, 20)
    return [
        *_promises(audits),
        *_equivalence(audits),
        *_power(fewer),
        *_other_scores(audits),
        *_coverage(fewer),
    ]


def _promises(audits: int) -> list[Part]:
    out = []
    for n in (2_000, 10_000, 100_000):
        for clustered in (True, False):
            how = "4 images a patient" if clustered else "independent rows"
            settings = {"n": n, "clustered": clustered}
            share = 0.3 if n > 10_000 else 1.0
            for name, run in (("A", promises.promise_a), ("B", promises.promise_b)):
                out.append(
                    Part(
                        name=f"{name} {n} {how}",
                        run=run,
                        settings=settings,
                        audits=audits,
                        share=share,
                    )
                )
    return out


def _equivalence(audits: int) -> list[Part]:
    claims = (
        ("tpr", 0.85, -1), ("tpr", 0.85, 1), ("fpr", 0.85, -1), ("fpr", 0.85, 1),
        ("auroc", 0.85, -1), ("auroc", 0.85, 1), ("auroc", 0.92, -1), ("auroc", 0.92, 1),
        ("auroc", 0.95, -1),
    )  # fmt: skip
    return [
        Part(
            name=f"equivalence {n} {metric} auc {auc:g} gap {0.05 * sign:+.2f}",
            run=promises.equivalence_at_the_margin,
            settings={"n": n, "clustered": True, "metric": metric, "auc": auc, "sign": sign},
            audits=audits,
        )
        for n in (2_000, 10_000)
        for metric, auc, sign in claims
    ]


def _power(audits: int) -> list[Part]:
    return [
        Part(
            name=f"power {positives} positives, gap {gap:g}",
            run=promises.power,
            settings={"positives": positives, "gap": gap},
            audits=audits,
            share=0.3,
        )
        for positives, gap in ((40, 0.25), (80, 0.25), (160, 0.15), (30, 0.45), (400, 0.1))
    ]


def _other_scores(audits: int) -> list[Part]:
    out = []
    for n in (2_000, 10_000):
        for auc in (0.75, 0.92):
            settings: dict[str, Any] = {"n": n, "clustered": True, "auc": auc}
            name = f"A {n} auc {auc:g}, clustered"
            out.append(Part(name=name, run=promises.promise_a, settings=settings, audits=audits))
        alone = {"n": n, "clustered": True, "auc": 0.92, "metrics": ["auroc"]}
        name = f"A {n} auroc alone at .92, clustered"
        out.append(Part(name=name, run=promises.promise_a, settings=alone, audits=audits))
        for clustered in (False, True):
            how = "clustered" if clustered else "independent"
            settings = {"n": n, "clustered": clustered}
            name = f"A {n} oe_ratio alone, {how}"
            run = promises.promise_a_calibration
            out.append(Part(name=name, run=run, settings=settings, audits=audits))
    return out


def _coverage(audits: int) -> list[Part]:
    out = [
        Part(
            name="coverage of rates, enumerated",
            run=coverage.enumerated_rates,
            settings={},
            audits=1,
        )
    ]
    for patients in (30, 120):
        out += [
            Part(
                name=f"coverage of rates, {patients} patients of 4 rows, rate {rate:g}",
                run=coverage.clustered_rates,
                settings={"patients": patients, "rate": rate},
                audits=audits // 4,
                share=0.25,
            )
            for rate in (0.05, 0.2, 0.5, 0.8, 0.95)
        ]
    for clustered in (False, True):
        out += [
            Part(
                name=f"coverage of auroc {auc:g}, {pos} and {neg}, {_rows(clustered=clustered)}",
                run=coverage.areas,
                settings={"auc": auc, "pos": pos, "neg": neg, "clustered": clustered},
                audits=audits // 4,
                share=0.25,
            )
            for auc in (0.7, 0.85, 0.92, 0.95)
            for pos, neg in ((30, 30), (30, 300), (100, 300), (120, 1200))
        ]
    out += [
        Part(
            name=f"coverage of calibration, {size} patients",
            run=coverage.calibration,
            settings={"size": size},
            audits=audits // 4,
            share=0.25,
        )
        for size in (100, 300, 1000)
    ]
    out += [
        Part(
            name=f"coverage of the bootstrap, {patients} patients of 4 rows, rate {rate:g}",
            run=coverage.bootstrap,
            settings={"patients": patients, "rate": rate},
            audits=audits // 8,
            share=0.1,
        )
        for patients in (100, 300)
        for rate in (0.2, 0.5, 0.8, 0.95)
    ]
    return out


def _rows(*, clustered: bool) -> str:
    return "4 rows a patient" if clustered else "independent"
