"""The fifteen verdict rules, one test each, against counting and enumeration.

Every test goes through ``audit_predictions`` and reads the evidence; what it expects is worked out
here from the rows.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom, norm
from scipy.stats import t as student

from audits import audit_predictions
from audits.fairness.explore import ThresholdExplorer

Z95, Z90 = norm.ppf(0.975), norm.ppf(0.95)
GROUPS = ["sex", "age", "view"]
DECLARED = {
    "audit": {
        "groups": ["sex", "age", "view"],
        "intersections": [["sex", "age"]],
        "verdict_metrics": ["tpr", "fpr", "auroc", "oe_ratio"],
    }
}
CUT = 0.5


@pytest.fixture(scope="module")
def table():
    """Return repeated patients: sex and age belong to the patient, the view to the image."""
    rng = np.random.default_rng(5)
    patients, images = 500, 4
    pid = np.repeat(np.arange(patients), images)
    sex = rng.choice(["F", "M"], patients)[pid]
    age = rng.choice(["young", "mid", "old"], patients, p=[0.08, 0.42, 0.5])[pid]
    lean = rng.normal(size=patients)[pid]
    y = (rng.random(len(pid)) < np.where(age == "old", 0.5, 0.35)).astype(int)
    logit = 2.2 * y - 1.1 + 0.8 * lean + rng.normal(size=len(pid))
    logit -= 1.5 * ((sex == "F") & (age == "old"))
    other = 2.2 * y - 1.1 + 1.5 * rng.normal(size=len(pid))
    return pd.DataFrame(
        {
            "pid": pid,
            "sex": sex,
            "age": age,
            "view": rng.choice(["AP", "LAT", "PA"], len(pid)),
            "site": rng.choice(["a", "b", "c"], len(pid)),
            "y": y,
            "first": 1 / (1 + np.exp(-logit)),
            "second": 1 / (1 + np.exp(-other)),
        }
    )


@pytest.fixture(scope="module")
def outputs(table):
    """Return the evidence of two scores of one label, audited together."""
    both = table.assign(y2=table["y"])
    result = audit_predictions(
        both,
        label=["y", "y2"],
        score=["first", "second"],
        groups=[*GROUPS, "site"],
        intersections=[["sex", "age"]],
        patient="pid",
        threshold=CUT,
        policy=DECLARED,
    )
    return result.to_dict()["outputs"]


def comparisons(outputs, **wanted):
    """Return the comparisons of all outputs that have these values."""
    everything = [c for output in outputs for c in output["comparisons"]]
    return [c for c in everything if all(c[k] == v for k, v in wanted.items())]


def judged(outputs):
    """Return the confirmatory set: declared and evaluable."""
    return [c for c in comparisons(outputs, declared=True) if c["verdict"] != "not_evaluable"]


def counted(tpr, n, *, fpr=0.1, negatives=400, levels="abcdefgh"):
    """Return rows of groups with exactly these rates; no patient repeats."""
    rows = []
    for level, rate, size in zip(levels, tpr, n, strict=False):
        hits, alarms = round(rate * size), round(fpr * negatives)
        for label, flagged, cases in ((1, hits, size), (0, alarms, negatives)):
            rows += [(level, label, 0.9)] * flagged + [(level, label, 0.1)] * (cases - flagged)
    return pd.DataFrame(rows, columns=["g", "y", "s"])


def audited(frame, *, groups=("g",), **more):
    """Return the only output of an audit of the true positive rate."""
    policy = {"audit": {"groups": list(groups), "verdict_metrics": ["tpr"]}}
    policy["audit"] |= {"intersections": more.pop("intersections", [])}
    asked = {"label": "y", "score": "s", "threshold": CUT, "groups": list(groups), **more}
    return audit_predictions(frame, policy=policy, **asked).to_dict()["outputs"][0]


def bh(p):
    """Return q_(i) = min over j >= i of m p_(j) / j, by looking at every j."""
    ordered = sorted(p)
    m = len(p)
    return [
        min([1.0] + [m * ordered[j] / (j + 1) for j in range(m) if ordered[j] >= own]) for own in p
    ]


def wilson(p, n, z):
    """Return Wilson's limits."""
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def newcombe(p1, n1, p2, n2, z):
    """Return Newcombe's hybrid limits of p1 - p2."""
    (l1, u1), (l2, u2) = wilson(p1, n1, z), wilson(p2, n2, z)
    low = p1 - p2 - math.hypot(p1 - l1, u2 - p2)
    return low, p1 - p2 + math.hypot(u1 - p1, p2 - l2)


def icc(rows, group, hit):
    """Return the ANOVA correlation within patients, pooled over groups, each about its own rate."""
    cells = rows.groupby([group, "pid"], observed=True)[hit].agg(["sum", "count"]).reset_index()
    by_group = cells.groupby(group)[["sum", "count"]].sum()
    between_df = len(cells) - len(by_group)
    within_df = int(cells["count"].sum()) - len(cells)
    own = (cells["sum"] ** 2 / cells["count"]).sum()
    between = (own - (by_group["sum"] ** 2 / by_group["count"]).sum()) / between_df
    within = (cells["sum"].sum() - own) / within_df
    squares = (cells["count"] ** 2).groupby(cells[group]).sum()
    size = (cells["count"].sum() - (squares / by_group["count"]).sum()) / between_df
    return min(max((between - within) / (between + (size - 1) * within), 0.0), 1.0)


def design_effect(rows, rho):
    """Return 1 + (m - 1) rho with the cluster size of a random row."""
    sizes = rows.groupby("pid").size()
    return 1 + ((sizes**2).sum() / sizes.sum() - 1) * rho


def test_rule_1_the_confirmatory_set(outputs):
    """Outputs × verdict metrics × (marginal levels + declared intersections), nothing else."""
    per_metric = 1 + 3 + 3 + 6  # two sexes are tested once; ages, views, and their crossing
    assert len(comparisons(outputs, declared=True)) == 2 * 4 * per_metric
    named = {c["attribute"] for c in comparisons(outputs, declared=True)}
    assert named == {"sex", "age", "view", "sex×age"}
    assert {c["attribute"] for c in comparisons(outputs, declared=False)} == {"site"}
    assert all((c["q"] is not None) == (c in judged(outputs)) for c in comparisons(outputs))


def test_rule_2_default_metrics(table):
    """Rates, ranking and observed over expected; complements and prevalence's kin stay out."""
    for space, extra in (("probability", {"oe_ratio"}), ("value", set())):
        output = audit_predictions(
            table, label="y", score="first", groups=["sex"], threshold=CUT, space=space
        ).to_dict()["outputs"][0]
        assert {c["metric"] for c in output["comparisons"]} == {"tpr", "fpr", "auroc"} | extra
        for name in ("fnr", "tnr", "ppv", "npv", "accuracy", "selection_rate", "auprc"):
            assert output["overall"]["metrics"][name]["value"] is not None


def test_rule_3_group_against_the_rest(table, outputs):
    """The group minus everybody else; two levels once; a named reference where one is."""
    ill = table[table["y"] == 1].assign(hit=lambda rows: rows["first"] >= CUT)
    for c in comparisons(outputs[:1], metric="tpr", declared=True):
        mine = np.logical_and.reduce([ill[k] == v for k, v in c["group"].items()])
        assert (c["group_k"], c["group_n"]) == (ill["hit"][mine].sum(), mine.sum())
        assert (c["ref_k"], c["ref_n"]) == (ill["hit"][~mine].sum(), (~mine).sum())
        gap = ill["hit"][mine].mean() - ill["hit"][~mine].mean()
        assert c["difference"]["value"] == pytest.approx(gap, abs=1e-12)
    (sex,) = comparisons(outputs[:1], metric="tpr", attribute="sex")
    assert (sex["group"], sex["reference"]) == ({"sex": "F"}, "rest")
    policy = {"audit": {**DECLARED["audit"], "reference": {"age": "old"}}}
    named = audit_predictions(
        table, label="y", score="first", groups=GROUPS, threshold=CUT, policy=policy
    ).to_dict()["outputs"]
    ages = comparisons(named, metric="tpr", attribute="age")
    assert {(c["group"]["age"], c["reference"]) for c in ages} == {("mid", "old"), ("young", "old")}


def test_rule_4_evaluable(table, outputs):
    """Ten effective cases in each denominator, thirty a class for the area; others are listed."""
    few = comparisons(outputs, verdict="not_evaluable")
    assert few
    assert all(c["q"] is None and "needed" in c["reason"] for c in few)
    assert all("30 needed" in c["reason"] for c in few if c["metric"] == "auroc")
    ill = table[table["y"] == 1].assign(hit=lambda rows: (rows["first"] >= CUT).astype(int))
    rho = icc(ill.assign(cell=ill["sex"] + ill["age"]), "cell", "hit")
    for c in comparisons(outputs[:1], metric="tpr", attribute="sex×age"):
        mine = (ill["sex"] == c["group"]["sex"]) & (ill["age"] == c["group"]["age"])
        effective = mine.sum() / design_effect(ill[mine], rho)
        assert (c["verdict"] == "not_evaluable") == (effective < 10)
    exact = [audited(counted([0.5, 0.8, 0.8], [n, 300, 300])) for n in (9, 10)]
    assert exact[0]["comparisons"][0]["reason"] == "9.0 effective positives in the group, 10 needed"
    assert exact[1]["comparisons"][0]["verdict"] != "not_evaluable"


def test_rule_5_dependence_of_rates(table, outputs):
    """Wilson on n / deff with one pooled correlation per output and class."""
    ill = table[table["y"] == 1].assign(hit=lambda rows: (rows["first"] >= CUT).astype(int))
    rho = icc(ill, "age", "hit")
    assert rho > 0.1
    for group in outputs[0]["groups"]:
        if list(group["attributes"]) == ["age"]:
            mine = ill[ill["age"] == group["attributes"]["age"]]
            found, deff = group["metrics"]["tpr"], design_effect(mine, rho)
            low, high = wilson(mine["hit"].mean(), len(mine) / deff, Z95)
            assert found["deff"] == pytest.approx(deff, rel=1e-9)
            assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-9)


def test_rule_5_dependence_of_areas(table, outputs):
    """Obuchowski's variance from every pair of rows, and Satterthwaite's t on the logit scale."""
    ill, well = table[table["y"] == 1], table[table["y"] == 0]
    wins = np.sign(np.subtract.outer(ill["first"].to_numpy(), well["first"].to_numpy())) / 2 + 0.5
    area = wins.mean()
    a = pd.Series(wins.mean(axis=1) - area, ill["pid"].to_numpy()).groupby(level=0).sum()
    b = pd.Series(wins.mean(axis=0) - area, well["pid"].to_numpy()).groupby(level=0).sum()
    m, n, everybody = len(ill), len(well), table["pid"].nunique()
    v_pos = len(a) / (len(a) - 1) * (a**2).sum() / m**2
    v_neg = len(b) / (len(b) - 1) * (b**2).sum() / n**2
    cross = 2 * everybody / (everybody - 1) * a.mul(b, fill_value=0).sum() / (m * n)
    df = (v_pos + v_neg) ** 2 / (v_pos**2 / (len(a) - 1) + v_neg**2 / (len(b) - 1))
    half = student.ppf(0.975, df) * math.sqrt(v_pos + v_neg + cross) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    found = outputs[0]["overall"]["metrics"]["auroc"]
    assert found["value"] == pytest.approx(area, abs=1e-12)
    expected = [1 / (1 + math.exp(-centre + side * half)) for side in (1, -1)]
    assert (found["low"], found["high"]) == pytest.approx(expected, abs=1e-9)


def test_rule_5_and_6_groups_that_share_patients(table, outputs):
    """A t of Σ over patients of (IF_group - IF_rest)², never less than a common rate implies."""
    ill = table[table["y"] == 1].assign(hit=lambda rows: (rows["first"] >= CUT).astype(float))
    rho = icc(ill, "view", "hit")
    for c in comparisons(outputs[:1], metric="tpr", attribute="view"):
        mine = ill["view"] == c["group"]["view"]
        sides, unit, by_patient = [], 0.0, {}
        for sign, rows in ((1, ill[mine]), (-1, ill[~mine])):
            flow = sign * (rows["hit"] - rows["hit"].mean()) / len(rows)
            each = flow.groupby(rows["pid"]).sum()
            people = len(each)
            sides.append((people / (people - 1) * (each**2).sum(), people))
            by_patient[sign] = each
            unit += design_effect(rows, rho) / len(rows)
        together = by_patient[1].mul(by_patient[-1], fill_value=0).sum()
        robust = sides[0][0] + sides[1][0] + 2 * together
        sizes = [rows.groupby("pid").size() for rows in (ill[mine], ill[~mine])]
        shared = sizes[0].mul(sizes[1], fill_value=0).sum() / (mine.sum() * (~mine).sum())
        rate = ill["hit"].mean()
        variance = max(robust, rate * (1 - rate) * (unit - 2 * rho * shared))
        total = sides[0][0] + sides[1][0]
        df = total**2 / sum(v**2 / (people - 1) for v, people in sides)
        expected = 2 * student.sf(abs(c["difference"]["value"]) / math.sqrt(variance), df)
        assert c["test"] == "influence-function t"
        assert c["p"] == pytest.approx(expected, rel=1e-7)


def test_rule_6_mid_p_fisher_on_effective_counts(table, outputs):
    """Every table with these margins, the observed one counting half; n / deff rounded."""
    ill = table[table["y"] == 1].assign(hit=lambda rows: (rows["first"] >= CUT).astype(int))
    rho = icc(ill, "age", "hit")
    for c in comparisons(outputs[:1], metric="tpr", attribute="age"):
        mine = ill["age"] == c["group"]["age"]
        sides = []
        for rows in (ill[mine], ill[~mine]):
            sizes = ill[mine] if rows is ill[mine] else rows
            n = round(len(rows) / design_effect(sizes, rho))
            sides.append((round(rows["hit"].mean() * n), n))
        (k, n), (j, m) = sides
        law = hypergeom(n + m, k + j, n)
        tails = law.cdf(k) - law.pmf(k) / 2, law.sf(k) + law.pmf(k) / 2
        assert c["p"] == pytest.approx(min(2 * min(tails), 1.0), rel=1e-9)


def test_rule_6_areas_on_the_logit_scale():
    """Never smaller than the two-sided t of the difference of logits, and mostly just that."""
    rng = np.random.default_rng(2)
    y = np.arange(1600) % 2
    frame = pd.DataFrame({"y": y, "g": rng.choice(list("abc"), 1600)})
    strength = 1.2 * (1 - 0.5 * (frame["g"] == "a"))
    frame["s"] = 1 / (1 + np.exp(-strength * y - rng.normal(size=1600)))
    policy = {"audit": {"groups": ["g"], "verdict_metrics": ["auroc"]}}
    found = audit_predictions(frame, label="y", score="s", groups=["g"], policy=policy).to_dict()
    same = []
    for c in found["outputs"][0]["comparisons"]:
        mine, parts, logits = frame["g"] == c["group"]["g"], [], []
        for rows in (frame[mine], frame[~mine]):
            up, down = (rows["s"][rows["y"] == label].to_numpy() for label in (1, 0))
            wins = np.sign(np.subtract.outer(up, down)) / 2 + 0.5
            area = wins.mean()
            slope = (area * (1 - area)) ** 2
            parts += [(wins.mean(axis=1).var(ddof=1) / len(up) / slope, len(up))]
            parts += [(wins.mean(axis=0).var(ddof=1) / len(down) / slope, len(down))]
            logits.append(math.log(area / (1 - area)))
        variance = sum(v for v, _ in parts)
        df = variance**2 / sum(v**2 / (n - 1) for v, n in parts)
        p = 2 * student.sf(abs(logits[0] - logits[1]) / math.sqrt(variance), df)
        assert c["p"] > p * (1 - 1e-4)
        same.append(abs(c["p"] / p - 1) < 1e-3)
    assert any(same)


def test_rule_7_one_correction_over_the_whole_set(outputs):
    """q is one Benjamini-Hochberg over every output, metric, level and intersection."""
    tested = judged(outputs)
    assert [c["q"] for c in tested] == pytest.approx(bh([c["p"] for c in tested]), abs=1e-12)


def test_rule_8_the_margin(outputs):
    """p_margin inverts Newcombe at the margin; q_margin has a correction of its own."""
    tested = judged(outputs)
    margins = bh([c["p_margin"] for c in tested])
    assert [c["q_margin"] for c in tested] == pytest.approx(margins, abs=1e-12)
    output = audited(counted([0.90, 0.78, 0.70], [300, 500, 400]))
    for c in output["comparisons"]:
        z = norm.ppf(1 - c["p_margin"])
        p1, p2 = c["group_k"] / c["group_n"], c["ref_k"] / c["ref_n"]
        low, high = newcombe(p1, c["group_n"], p2, c["ref_n"], abs(z))
        ends = (low, high) if p1 > p2 else (-high, -low)
        assert ends[0 if z > 0 else 1] == pytest.approx(c["margin"], abs=1e-7)


def test_rule_9_analytic(table, outputs):
    """No seed moves a p, a q or an interval; p goes far below what resamples could show."""
    again = audit_predictions(
        table, label="y", score="first", groups=GROUPS, patient="pid", threshold=CUT, seed=99,
        policy=DECLARED, bootstrap=20,
    ).to_dict()["outputs"][0]  # fmt: skip
    new = {(c["metric"], *c["group"].items()): c for c in again["comparisons"]}
    for old in comparisons(outputs[:1], declared=True):
        other = new[old["metric"], *old["group"].items()]
        assert (old["p"], old["difference"]) == (other["p"], other["difference"])
    assert outputs[0]["groups"][0]["metrics"] == again["groups"][0]["metrics"]
    assert min(c["p"] for c in judged(outputs)) < 1e-4
    (band,) = audited(counted([0.8] * 5, [200] * 5))["max_t_bands"]
    apart = norm.ppf((1 + 0.95 ** (1 / 5)) / 2)  # five estimates that do not correlate
    assert band["multiplier"] == pytest.approx(apart, abs=0.12)


def test_the_table_of_verdicts(outputs):
    """Every verdict, strength and reason of the run follows from its own printed numbers."""
    for c in comparisons(outputs, declared=True):
        if c["verdict"] == "not_evaluable":
            assert c["strength"] is None
            continue
        log = math.log if c["metric"] == "oe_ratio" else float
        gap, margin = log(c["difference"]["value"]), log(c["margin"])
        low, high = (log(limit) for limit in c["difference_90"])
        expected, strength, words = "inconclusive", None, "too few"
        if c["q"] <= 0.05 and abs(gap) > margin:
            expected, words = "disparity", None
            strength = "confirmed" if c["q_margin"] <= 0.05 else "indicated"
        elif -margin < low and high < margin:
            expected, words = "equivalent", "differs, within margin" if c["q"] <= 0.05 else ""
        elif c["q"] <= 0.05:
            words = "differs, size unsettled"
        assert (c["verdict"], c["strength"]) == (expected, strength)
        assert words is None or words in (c["reason"] or "")
        assert (low > -margin and high < margin) == (c["p_equivalence"] < 0.05)
    assert {c["verdict"] for c in judged(outputs)} >= {"disparity", "inconclusive"}


def test_rule_10_no_gate():
    """A single bad cell of fifty is found although the groups as a whole look alike."""
    levels = [f"{index:02}" for index in range(50)]
    output = audited(counted([0.5, *[0.8] * 49], [40] * 50, negatives=20, levels=levels))
    (heterogeneity,) = output["heterogeneity"]
    assert heterogeneity["p"] > 0.5
    assert heterogeneity["tau2"]["value"] is not None
    bad = [c["group"]["g"] for c in output["comparisons"] if c["verdict"] == "disparity"]
    assert bad == ["00"]


def test_rule_11_side_by_side():
    """A disparate cell says who carries it and how far it leaves the additive logit model."""
    parts = []
    for (g, h), rate in {("a", "x"): 0.4, ("a", "y"): 0.75, ("b", "x"): 0.75, ("b", "y"): 0.78,
                         ("c", "x"): 0.77, ("c", "y"): 0.74}.items():  # fmt: skip
        parts.append(counted([rate], [400], levels=[g]).assign(h=h))
    output = audited(pd.concat(parts), groups=("g", "h"), intersections=[["g", "h"]])
    cells = [c for c in output["comparisons"] if c["tier"] == "intersection"]
    worst = next(c for c in cells if c["group"] == {"g": "a", "h": "x"})
    marginals = [c for c in output["comparisons"] if c["tier"] == "marginal"]
    below = [c["group"] for c in marginals if c["verdict"] == "disparity" and c["worse"] == "group"]
    expected = [{k: v} for k, v in worst["group"].items() if {k: v} in below]
    assert worst["verdict"] == "disparity"
    assert worst["carried_by"] == expected != []
    logits = {}
    for c in cells:
        hits, misses = c["group_k"] + 0.5, c["group_n"] - c["group_k"] + 0.5
        logits[c["group"]["g"], c["group"]["h"]] = math.log(hits / misses), 1 / hits + 1 / misses
    names = [key for key in itertools.product("abc", "xy") if key != ("a", "x")]
    row = {key: [1, key[0] == "b", key[0] == "c", key[1] == "y"] for key in [*names, ("a", "x")]}
    design = np.asarray([row[key] for key in names], dtype=float)
    weight = np.diag([1 / logits[key][1] for key in names])
    inverse = np.linalg.inv(design.T @ weight @ design)
    fitted = inverse @ design.T @ weight @ np.asarray([logits[key][0] for key in names])
    own = np.asarray(row["a", "x"], dtype=float)
    gap = logits["a", "x"][0] - own @ fitted
    half = Z95 * math.sqrt(logits["a", "x"][1] + own @ inverse @ own)
    beyond = worst["beyond_marginals"]
    assert beyond["value"] == pytest.approx(gap, abs=1e-9)
    assert (beyond["low"], beyond["high"]) == pytest.approx((gap - half, gap + half), abs=1e-9)
    alike = pd.concat([counted([0.8, 0.8], [9_000] * 2).assign(h=h) for h in "xy"])
    output = audited(alike, groups=("g", "h"), intersections=[["g", "h"]])
    for c in output["comparisons"]:
        if c["tier"] == "marginal":
            assert c["verdict"] == "equivalent"
            assert "on average over its intersections" in c["reason"]


def corrected_level(output):
    """Return alpha (R + 1) / m, R rejections among m tests."""
    tested = judged([output])
    return 0.05 * (sum(c["q"] <= 0.05 for c in tested) + 1) / len(tested)


def test_rule_12_minimum_detectable_difference():
    """(z + z) times the standard error at the observed rates, at alpha (R + 1) / m, power .8."""
    output = audited(counted([0.9, 0.8, 0.7, 0.8], [200, 300, 250, 400]))
    alpha = corrected_level(output)
    assert alpha == 0.05 * 3 / 4
    for c in output["comparisons"]:
        p, r = c["group_k"] / c["group_n"], c["ref_k"] / c["ref_n"]
        error = math.sqrt(p * (1 - p) / c["group_n"] + r * (1 - r) / c["ref_n"])
        expected = (norm.ppf(1 - alpha / 2) + norm.ppf(0.8)) * error
        assert c["mde"] == pytest.approx(expected, rel=1e-9)


def test_rule_13_cases_still_needed():
    """The fewest further cases with power .9, from the margin and never from the observed gap."""
    output = audited(counted([0.9, 0.8, 0.7, 0.8], [60, 900, 150, 2400]))
    alpha = corrected_level(output)
    for c in output["comparisons"]:
        p, r = c["group_k"] / c["group_n"], c["ref_k"] / c["ref_n"]
        for name, gap, z in (
            ("to_equivalence", c["margin"], norm.ppf(0.95) + norm.ppf(0.95)),
            ("to_disparity", 2 * c["margin"], norm.ppf(1 - alpha / 2) + norm.ppf(0.9)),
        ):
            more = c["n_needed"][name]
            if more is None:
                assert r * (1 - r) / c["ref_n"] >= (gap / z) ** 2
                assert "the reference alone is too small" in c["n_needed"]["reason"]
                continue

            def enough(n, p=p, r=r, c=c, gap=gap, z=z):
                return z * math.sqrt(p * (1 - p) / n + r * (1 - r) / c["ref_n"]) <= gap

            assert enough(c["group_n"] + more)
            assert more == 0 or not enough(c["group_n"] + more - 1)


def test_rule_13_patients_at_the_observed_rate(outputs):
    """Patients that hold so many cases, where a patient has several."""
    for c in judged(outputs):
        needed = c["n_needed"]
        for kind in ("equivalence", "disparity"):
            cases, people = needed[f"to_{kind}"], needed.get(f"patients_to_{kind}")
            assert (cases is None) == (people is None)
            assert cases is None or cases == 0 or people > 0


def test_rule_14_exploratory(table, outputs):
    """Undeclared groups, metrics and thresholds: estimate, interval, raw p; no q, no verdict."""
    undeclared = comparisons(outputs, declared=False)
    assert undeclared
    for c in undeclared:
        assert c["p"] is not None
        assert c["difference"]["low"] < c["difference"]["value"] < c["difference"]["high"]
        assert (c["q"], c["q_margin"], c["verdict"], c["strength"]) == (None,) * 4
    from audits.fairness import ScoredOutput

    moved = ThresholdExplorer(
        ScoredOutput(name="y", y=table["y"].to_numpy(), score=table["first"].to_numpy())
    ).at(0.3)
    assert moved.to_dict()["exploratory"] is True
    assert "verdict" not in moved.to_dict()["overall"]


def test_rule_15_slices_are_found_on_one_half_and_tested_on_the_other(table):
    """A slice is flagged by a permutation p of patients it was not found on."""
    rng = np.random.default_rng(0)
    logit = 2 * table["y"] - 1 + rng.normal(size=len(table))
    noise = table.assign(first=1 / (1 + np.exp(-logit)))
    bad = noise["age"].eq("old") & noise["view"].eq("PA") & noise["y"].eq(1)
    noise.loc[bad, "first"] *= np.where(rng.random(int(bad.sum())) < 0.6, 0.1, 1.0)
    slices = audit_predictions(
        noise, label="y", score="first", groups=GROUPS, patient="pid", threshold=CUT, why=True
    ).to_dict()["outputs"][0]["slices"]
    assert slices["exploratory"] is True
    best = slices["slices"][0]
    assert best["flagged"]
    assert sorted(best["conditions"]) == ["age = old", "view = PA"]
    half = (table["y"] == 1).sum() / 2
    assert best["slice"]["n"] + best["rest"]["n"] == pytest.approx(half, rel=0.15)
    assert "verdict" not in best
