"""Causes, slices and mitigation against statsmodels, scikit-learn, SciPy and fairlearn."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import chi2, chi2_contingency, chisquare, t
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score, roc_auc_score, roc_curve
from statsmodels.stats.oaxaca import OaxacaBlinder

from audits.cohorts.groups import Attribute
from audits.fairness import ScoredOutput
from audits.fairness.causes import explain_gaps
from audits.fairness.causes.logistic import (
    deviance,
    fit_logistic,
    natural_spline,
    safe_logit,
    spline_design,
)
from audits.fairness.causes.rows import build_rows
from audits.fairness.causes.underdiagnosis import missed_at
from audits.fairness.mitigation.recalibration import isotonic_curve, logistic_curve
from audits.fairness.mitigation.thresholds import randomised
from audits.policy import load_policy


def grouping(name, levels, codes):
    return Attribute(
        name=name,
        column=name,
        kind="demographic",
        levels=tuple(levels),
        codes=np.asarray(codes, dtype=np.int32),
    )


def make(n=2000, *, seed=0, clustered=False):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 2, n) if clustered else np.arange(n)
    size = int(patients.max()) + 1
    sex = rng.integers(0, 2, size)[patients]
    age = rng.choice(3, size, p=[0.5, 0.3, 0.2])[patients]
    y = rng.random(n) < 0.25 + 0.1 * age
    score = 1 / (1 + np.exp(-(1.5 * y - 1 + 0.3 * sex + rng.normal(size=n))))
    return ScoredOutput(
        name="y",
        y=y.astype(np.int8),
        score=score,
        threshold=0.5,
        patients=patients if clustered else None,
        attributes=(grouping("sex", ("F", "M"), sex), grouping("age", ("a", "b", "c"), age)),
    )


@pytest.fixture(scope="module")
def policy():
    return load_policy(None, groups=["sex", "age"])


def test_standardised_gaps_equal_weighted_metrics_of_scikit_learn(policy):
    output = make()
    sex, age = (item.codes for item in output.attributes)
    y, called = output.y, output.score >= 0.5
    women = sex == 0
    gaps = {
        gap["metric"]: gap
        for gap in explain_gaps(output, policy)["standardised_gaps"]["gaps"]
        if gap["attribute"] == "sex"
    }
    weights = np.zeros(len(y))
    for label in (0, 1):
        for code in range(3):
            cell = (y == label) & (age == code)
            theirs = np.mean(age[~women & (y == label)] == code)
            weights[cell & women] = theirs / np.mean(age[women & (y == label)] == code)
    tpr = recall_score(y[women], called[women], sample_weight=weights[women])
    rest = recall_score(y[~women], called[~women])
    assert gaps["tpr"]["standardised"]["value"] == pytest.approx(tpr - rest, abs=1e-12)
    area = roc_auc_score(y[women], output.score[women], sample_weight=weights[women])
    rest = roc_auc_score(y[~women], output.score[~women])
    assert gaps["auroc"]["standardised"]["value"] == pytest.approx(area - rest, abs=1e-12)


def test_composition_equals_the_explained_part_of_statsmodels(policy):
    output = make()
    sex, age = (item.codes for item in output.attributes)
    sick = output.y == 1
    called = (output.score >= 0.5).astype(float)
    dummies = np.column_stack([sex[sick] == 0, age[sick] == 1, age[sick] == 2]).astype(float)
    model = OaxacaBlinder(called[sick], dummies, 0, hasconst=False, swap=False)
    (gap,) = [
        gap
        for gap in explain_gaps(output, policy)["standardised_gaps"]["gaps"]
        if gap["attribute"] == "sex" and gap["metric"] == "tpr"
    ]
    crude = gap["crude"]["value"]
    found = {
        round(abs(part), 12)
        for weight in (0, 1)
        for part in model.two_fold(
            std=False, two_fold_type="self_submitted", submitted_weight=weight
        ).params[:2]
    }
    assert abs(model.gap) == pytest.approx(abs(crude))
    assert round(abs(gap["standardised"]["value"]), 12) in found
    assert round(abs(gap["composition"]["value"]), 12) in found


def _spline(rows):
    return spline_design(safe_logit(rows.score), rows.y)


def test_a_sharp_model_of_two_humps_is_fitted_as_by_statsmodels():
    rng = np.random.default_rng(3)
    y = rng.random(4000) < 0.3
    score = np.where(y & (rng.random(4000) < 0.7), rng.normal(14, 2, 4000), rng.normal(-3, 0.6))
    score += rng.normal(0, 0.7, 4000)
    y ^= rng.random(4000) < 0.03
    design = np.column_stack([np.ones(4000), natural_spline(score)])
    fit = sm.GLM(y, design, family=sm.families.Binomial()).fit(maxiter=200, tol=1e-12)
    assert deviance(design, y, fit_logistic(design, y)) == pytest.approx(fit.deviance, rel=1e-9)


def test_where_low_scores_hold_no_positive_the_spline_bends_less_instead_of_failing():
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.normal(-7, 1, 3000), rng.normal(7, 2, 700), rng.normal(0, 1, 60)])
    y = np.concatenate([np.zeros(3000), np.ones(700), rng.random(60) < 0.5]).astype(bool)
    assert fit_logistic(np.column_stack([np.ones(3760), natural_spline(score)]), y) is None
    design = spline_design(score, y)
    assert 2 <= design.shape[1] < 5
    assert fit_logistic(design, y) is not None


def test_the_likelihood_ratio_equals_statsmodels(policy):
    output = make()
    design = _spline(build_rows(output, policy))
    age = output.attributes[1].codes
    full = np.column_stack([design, age == 1, age == 2]).astype(float)
    fits = [sm.GLM(output.y, one, family=sm.families.Binomial()).fit() for one in (design, full)]
    ratio = 2 * (fits[1].llf - fits[0].llf)
    (test,) = [
        test
        for test in explain_gaps(output, policy)["independence"]["tests"]
        if test["attribute"] == "age" and test["test"] == "label_given_score"
    ]
    assert test["statistic"] == pytest.approx(ratio, rel=1e-8)
    assert test["p"] == pytest.approx(chi2.sf(ratio, 2), rel=1e-6)


def test_odds_at_equal_score_equal_clustered_statsmodels(policy):
    output = make(clustered=True)
    rows = build_rows(output, policy)
    design = np.column_stack([_spline(rows), output.attributes[0].codes == 0]).astype(float)
    fit = sm.GLM(output.y, design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": output.patients, "use_correction": False}
    )
    (entry,) = [
        entry
        for entry in explain_gaps(output, policy)["independence"]["odds_at_equal_score"]
        if entry["attribute"] == "sex"
    ]
    found = entry["odds_ratio"]
    assert found["value"] == pytest.approx(np.exp(fit.params[-1]), rel=1e-8)
    clusters = len(np.unique(output.patients))
    se = fit.bse[-1] * np.sqrt(clusters / (clusters - 1))
    width = np.log(found["high"] / found["low"]) / 2 / t.ppf(0.975, clusters - 1)
    assert width == pytest.approx(se, rel=1e-6)


def test_the_decision_test_adds_pearsons_statistic_over_labels(policy):
    output = make()
    called, age = output.score >= 0.5, output.attributes[1].codes
    wanted = 0.0
    for label in (0, 1):
        inside = output.y == label
        table = [[np.sum(inside & (age == c) & (called == d)) for c in range(3)] for d in (0, 1)]
        wanted += chi2_contingency(table, correction=False).statistic
    (test,) = [
        test
        for test in explain_gaps(output, policy)["independence"]["tests"]
        if test["attribute"] == "age" and test["test"] == "decision_given_label"
    ]
    assert test["statistic"] == pytest.approx(wanted)
    assert test["df"] == 4


def test_both_independence_tests_hold_their_level_with_repeated_patients():
    policy = load_policy(None, groups=["g"])
    below = {"decision_given_label": 0, "label_given_score": 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(120), 3)
        effect = rng.normal(size=120)[patient]
        group = rng.integers(0, 3, 120)[patient]
        y = rng.random(360) < 1 / (1 + np.exp(-(effect - 0.5)))
        score = 1 / (1 + np.exp(-(effect + y + rng.normal(size=360))))
        output = ScoredOutput(
            name="y",
            y=y.astype(np.int8),
            score=score,
            threshold=0.6,
            patients=patient,
            attributes=(grouping("g", ("a", "b", "c"), group),),
        )
        rows = build_rows(output, policy)
        from audits.fairness.causes.independence import independence

        for test in independence(rows, rng)["tests"]:
            below[test["test"]] += test["p"] < 0.05
    assert max(below.values()) <= 18  # 99 % binomial limit of 5 % of 200


def test_missed_at_equal_specificity_reads_the_roc_curve():
    output = make(400)
    sick = output.y == 1
    fpr, tpr, _ = roc_curve(sick, output.score, drop_intermediate=False)
    for target in (0.03, 0.111, 0.5):
        found = missed_at(output.score, sick, target, np.ones((1, 400), dtype=np.float32))[0]
        at = np.flatnonzero(fpr <= target + 1e-12)[-1]
        step = (target - fpr[at]) / (fpr[at + 1] - fpr[at])
        assert found == pytest.approx(1 - (tpr[at] + step * (tpr[at + 1] - tpr[at])))


def test_representativeness_equals_scipy():
    output = make()
    shares = {"a": 0.4, "b": 0.4, "c": 0.2}
    policy = load_policy({"audit": {"groups": ["age"]}, "causes": {"population": {"age": shares}}})
    (entry,) = explain_gaps(output, policy)["representativeness"]["attributes"]
    counts = np.bincount(output.attributes[1].codes)
    wanted = chisquare(counts, 2000 * np.asarray(list(shares.values())))
    assert entry["statistic"] == pytest.approx(wanted.statistic)
    assert entry["p"] == pytest.approx(wanted.pvalue, rel=1e-9)


def test_recalibration_equals_scikit_learn():
    output = make()
    y, p = output.y == 1, output.score
    at = np.linspace(0.05, 0.95, 50)
    plain = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    plain.fit(safe_logit(p)[:, None], y)
    wanted = plain.predict_proba(safe_logit(at)[:, None])[:, 1]
    np.testing.assert_allclose(logistic_curve(p, y, at), wanted, atol=1e-5)
    steps = IsotonicRegression(out_of_bounds="clip").fit(p, y.astype(float))
    np.testing.assert_allclose(isotonic_curve(p, y, at), steps.predict(at), atol=1e-9)


def test_the_threshold_optimizer_decides_as_fairlearn_does():
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def __sklearn_is_fitted__(self):
            return True

        def predict(self, X):
            return np.asarray(X).reshape(-1)

    output = make()
    y, sex = output.y == 1, output.attributes[0].codes.astype(np.int64)
    learn = np.arange(2000) % 2 == 0
    scores = np.round(output.score * 400) / 400  # few enough distinct ones to be fitted as they are
    chance, rules = randomised(scores[learn], y[learn], sex[learn], scores, sex)
    peer = ThresholdOptimizer(
        estimator=Scores(),
        constraints="equalized_odds",
        objective="balanced_accuracy_score",
        prefit=True,
        predict_method="predict",
    ).fit(scores[learn, None], y[learn].astype(int), sensitive_features=sex[learn])
    wanted = peer._pmf_predict(scores[:, None], sensitive_features=sex)[:, 1]
    np.testing.assert_allclose(chance, wanted, atol=1e-12)
    # Of many distinct scores only quantiles are tried: nearly every case is decided alike.
    fine, _ = randomised(output.score[learn], y[learn], sex[learn], output.score, sex)
    peer.fit(output.score[learn, None], y[learn].astype(int), sensitive_features=sex[learn])
    exact = peer._pmf_predict(output.score[:, None], sensitive_features=sex)[:, 1]
    assert np.mean(np.abs(fine - exact)) < 0.01
    assert {round(sum(part["weight"] for part in rule), 9) for rule in rules.values()} == {1.0}
