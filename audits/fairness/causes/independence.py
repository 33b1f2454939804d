"""Is the decision independent of the group given the label, and the label given the score?

The first is what equal TPR and FPR mean (separation), the second what equal calibration means
(sufficiency). With different prevalence both cannot hold at once, so each is tested by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit
from scipy.stats import chi2

from audits.fairness.causes.influence import patients_in
from audits.fairness.causes.logistic import deviance, fit_logistic, safe_logit, spline_design
from audits.fairness.causes.rows import Rows, Split, family_of, pairs_of
from audits.fairness.rates import pair_counts
from audits.fairness.ratios import group_sums, pooled_icc
from audits.fairness.types import BoolArray, FloatArray
from audits.types import Estimate

_EXPECTED = 5
_DRAWS = 1999
_ONE_LABEL = "one of the two sides has cases of one label only"


def decision_given_label(rows: Rows, split: Split, rng: np.random.Generator) -> dict[str, Any]:
    """Test ŷ ⊥ group | y: Pearson's statistic around the pooled rates, added over both labels.

    Counts are divided by their design effect; below an expected count of 5 the p-value comes
    from drawing tables with the same margins instead of from χ².
    """
    family = family_of(rows, split)
    counts = pair_counts(rows.frame, family, np.asarray(rows.called))
    statistic, df, smallest = 0.0, 0, np.inf
    tables = []
    for metric in ("tpr", "fpr"):
        x, m = counts.of(metric)
        sums = group_sums(family, x, m)
        rho = pooled_icc(x, m, sums) if rows.frame.clustered else 0.0
        deff = sums.deff(rho)
        used = sums.n > 0
        n = (sums.n / deff)[used]
        k = (sums.k / deff)[used]
        pooled = float(k.sum() / n.sum()) if n.sum() else 0.0
        if used.sum() < 2 or not 0 < pooled < 1:  # noqa: PLR2004 - nothing varies
            continue
        statistic += float((n * (k / n - pooled) ** 2).sum() / (pooled * (1 - pooled)))
        df += int(used.sum()) - 1
        smallest = min(smallest, float(n.min() * min(pooled, 1 - pooled)))
        tables.append((np.rint(k), np.rint(n)))
    base = {"test": "decision_given_label", "attribute": split.name, "n": rows.n}
    if not df:
        reason = "no label has two groups whose decisions vary"
        return {**base, "statistic": None, "df": None, "p": None, "method": "", "reason": reason}
    if smallest >= _EXPECTED:
        p, method = float(chi2.sf(statistic, df)), "Pearson χ² on effective counts"
    else:
        p, method = _drawn(tables, rng), "Pearson χ² on effective counts, p by drawing tables"
    return {**base, "statistic": statistic, "df": df, "p": p, "method": method}


def _drawn(tables: list[tuple[FloatArray, FloatArray]], rng: np.random.Generator) -> float:
    """Return the share of tables with the same margins that are at least as uneven."""
    observed, drawn = 0.0, np.zeros(_DRAWS)
    for k, n in tables:
        pooled = k.sum() / n.sum()
        if not 0 < pooled < 1:
            continue
        scale = 1 / (pooled * (1 - pooled))
        cells = rng.multivariate_hypergeometric(
            n.astype(np.int64), int(k.sum()), size=_DRAWS, method="marginals"
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn += np.nansum(n * (cells / n - pooled) ** 2, axis=1) * scale
            observed += float(np.nansum(n * (k / n - pooled) ** 2)) * scale
    return float((1 + np.count_nonzero(drawn >= observed - 1e-9)) / (1 + _DRAWS))


def label_given_score(rows: Rows, split: Split, null: FloatArray) -> dict[str, Any]:
    """Test y ⊥ group | score: logit P(y) = spline(score), with and without the group.

    ``statistic`` is the likelihood ratio. Where patients repeat, ``p`` is that of the
    generalised score test, whose variance sums over patients (Boos 1992).
    """
    used = split.codes >= 0
    base = {"test": "label_given_score", "attribute": split.name, "n": int(used.sum())}
    occupied = split.occupied
    wanted = np.column_stack([split.codes == code for code in occupied[1:]]).astype(np.float64)
    y = rows.y[used].astype(np.float64)
    plain, extra = null[used], wanted[used]
    beta = fit_logistic(plain, y)
    full = np.column_stack([plain, extra])
    both = None if beta is None else fit_logistic(full, y)
    score = None if beta is None else _score_test(rows, used, plain, extra, beta)
    if score is None or beta is None:
        reason = "the score separates the labels, so nothing is left to tell"
        return {**base, "statistic": None, "df": None, "p": None, "method": "", "reason": reason}
    df = len(occupied) - 1
    ratio = None if both is None else deviance(plain, y, beta) - deviance(full, y, both)
    robust = rows.frame.clustered or ratio is None
    p = float(chi2.sf(score if robust or ratio is None else ratio, df))
    method = "likelihood ratio"
    if robust:
        method = "score test clustered by patient"
    return {
        **base,
        "statistic": ratio,
        "score_statistic": score,
        "df": df,
        "p": p,
        "method": method,
    }


def _score_test(
    rows: Rows, used: BoolArray, plain: FloatArray, extra: FloatArray, beta: FloatArray
) -> float | None:
    """Return the generalised score statistic of the columns in ``extra``."""
    p = 1 / (1 + np.exp(-(plain @ beta)))
    weight = p * (1 - p)
    try:
        inner = np.linalg.solve(
            plain.T @ (plain * weight[:, None]), plain.T @ (extra * weight[:, None])
        )
    except np.linalg.LinAlgError:
        return None
    own = (extra - plain @ inner) * (rows.y[used] - p)[:, None]
    patient = rows.frame.patient[used]
    sums = np.column_stack(
        [np.bincount(patient, own[:, j], rows.frame.patients) for j in range(own.shape[1])]
    )
    total = sums.sum(axis=0)
    middle = sums.T @ sums
    value = float(total @ np.linalg.pinv(middle, hermitian=True) @ total)
    return value if np.isfinite(value) else None


def odds_at_equal_score(rows: Rows, split: Split, plain: FloatArray) -> list[dict[str, Any]]:
    """Return, for each group, the odds of a positive label over the reference's at equal score.

    Above 1 the score understates the group. Standard errors are clustered by patient.
    """
    out = []
    for pair in pairs_of(split):
        used = pair.group | pair.other
        design = np.column_stack([plain, pair.group.astype(np.float64)])[used]
        y = rows.y[used]
        both = all(
            (y & side[used]).any() and (~y & side[used]).any() for side in (pair.group, pair.other)
        )
        ratio = _ratio(rows, used, design) if both else _undefined(rows, used, _ONE_LABEL)
        out.append({**pair.named(), "odds_ratio": ratio.to_dict()})
    return out


def _undefined(rows: Rows, used: BoolArray, reason: str) -> Estimate:
    who = patients_in(rows, used) if rows.frame.named_patients else None
    return Estimate.undefined(reason, n=int(used.sum()), n_patients=who)


def _ratio(rows: Rows, used: BoolArray, design: FloatArray) -> Estimate:
    n = int(used.sum())
    who = patients_in(rows, used) if rows.frame.named_patients else None
    beta = fit_logistic(design, rows.y[used])
    if beta is None:
        return _undefined(rows, used, "the score separates the labels, so no odds can be told")
    p = 1 / (1 + np.exp(-(design @ beta)))
    bread = np.linalg.pinv(design.T @ (design * (p * (1 - p))[:, None]), hermitian=True)
    influence = (design * (rows.y[used] - p)[:, None]) @ bread[:, -1]
    by_patient = np.bincount(rows.frame.patient[used], influence, rows.frame.patients)
    clusters = int(np.count_nonzero(np.bincount(rows.frame.patient[used])))
    squares = float(by_patient @ by_patient)
    method = "logistic regression on a spline of the score, clustered by patient"
    value = float(np.exp(beta[-1]))
    if clusters < 2:  # noqa: PLR2004 - influences of a single patient sum to nothing
        reason = "no interval: fewer than two patients"
        return Estimate(value=value, n=n, n_patients=who, method=method, reason=reason)
    se = float(np.sqrt(squares * clusters / (clusters - 1)))
    half = float(stdtrit(clusters - 1, 0.975)) * se
    return Estimate(
        value=value,
        low=float(np.exp(beta[-1] - half)),
        high=float(np.exp(beta[-1] + half)),
        n=n,
        n_patients=who,
        deff=squares / float(influence @ influence),
        method=method,
    )


def independence(rows: Rows, rng: np.random.Generator) -> dict[str, Any]:
    """Return both tests and the odds ratios at equal score, for every declared attribute."""
    tests: list[dict[str, Any]] = []
    odds: list[dict[str, Any]] = []
    score = safe_logit(rows.score) if rows.frame.probabilities else rows.score
    design = spline_design(score, rows.y)
    for split in rows.splits:
        if len(split.occupied) < 2:  # noqa: PLR2004 - nobody to compare with
            continue
        if rows.called is not None:
            tests.append(decision_given_label(rows, split, rng))
        tests.append(label_given_score(rows, split, design))
        odds += odds_at_equal_score(rows, split, design)
    return {"tests": tests, "odds_at_equal_score": odds}
