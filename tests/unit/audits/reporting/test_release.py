"""Small counts cannot be recovered from a restricted release."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audits.reporting.release import restrict
from audits.reporting.summary import summarise

CELL = 10
RATES = {
    "tpr": (("tp",), ("tp", "fn")),
    "fnr": (("fn",), ("tp", "fn")),
    "fpr": (("fp",), ("fp", "tn")),
    "tnr": (("tn",), ("fp", "tn")),
    "ppv": (("tp",), ("tp", "fp")),
    "npv": (("tn",), ("tn", "fn")),
    "accuracy": (("tp", "tn"), ("tp", "fn", "fp", "tn")),
    "selection_rate": (("tp", "fp"), ("tp", "fn", "fp", "tn")),
    "prevalence": (("tp", "fn"), ("tp", "fn", "fp", "tn")),
}
ATOMS = ("tp", "fn", "fp", "tn")


def rate(atoms, name):
    above, below = RATES[name]
    k, n = sum(atoms[a] for a in above), sum(atoms[a] for a in below)
    found = {"value": k / n if n else None, "low": 0.1, "high": 0.9, "level": 0.95}
    return {**found, "k": k, "n": n, "n_patients": n, "deff": 1.0, "method": "wilson"}


def entry(rows, attributes=None):
    y, called = rows["y"], rows["called"]
    atoms = {
        "tp": int((y & called).sum()),
        "fn": int((y & ~called).sum()),
        "fp": int((~y & called).sum()),
        "tn": int((~y & ~called).sum()),
    }
    n = len(y)
    metrics = {name: rate(atoms, name) for name in RATES}
    metrics["auroc"] = {"value": 0.8, "low": 0.7, "high": 0.9, "n": n, "n_patients": n}
    found = {"n": n, "patients": n, "positives": int(y.sum()), "metrics": metrics}
    return found if attributes is None else {"attributes": attributes, "suppressed": False, **found}


def take(rows, keep):
    return {k: v[keep] for k, v in rows.items()}


def groups_of(rows, names):
    found = []
    for levels in itertools.product(*(sorted(set(rows[n])) for n in names)):
        keep = np.all([rows[n] == v for n, v in zip(names, levels, strict=True)], axis=0)
        if keep.any():
            found.append((dict(zip(names, levels, strict=True)), take(rows, keep)))
    return found


def comparison(metric, attributes, rows, everybody):
    mine, all_ = entry(rows)["metrics"][metric], entry(everybody)["metrics"][metric]
    return {
        "metric": metric,
        "tier": "marginal",
        "attribute": "×".join(attributes),
        "group": attributes,
        "reference": "rest",
        "group_k": mine["k"],
        "group_n": mine["n"],
        "ref_k": all_["k"] - mine["k"],
        "ref_n": all_["n"] - mine["n"],
        "difference": {"value": 0.123, "low": 0.0, "high": 0.2, "method": "newcombe"},
        "difference_90": [0.0, 0.2],
        "worse": "group",
        "p": 0.01,
        "q": 0.02,
        "mde": 0.1,
        "n_needed": {"to_equivalence": 5, "to_disparity": 7},
        "verdict": "inconclusive",
        "strength": None,
        "reason": "7 of 10 cases needed",
        "declared": True,
    }


def exact_evidence(rows, attributes=("sex", "band"), intersections=(("band", "sex"),)):
    families = [(a,) for a in attributes] + list(intersections)
    groups = [g for names in families for g in groups_of(rows, names)]
    output = {
        "model": None,
        "name": "y",
        "label": {"column": "y", "positive": 1},
        "scope": None,
        "threshold": {"value": 0.5},
        "bins": [1, 2, 3],
        "overall": entry(rows),
        "groups": [entry(part, a) for a, part in groups],
        "comparisons": [comparison(m, a, r, rows) for a, r in groups for m in ("tpr", "fpr")],
        "heterogeneity": [
            {"metric": m, "attribute": "sex", "statistic": 1.5, "df": 1, "p": 0.2, "tau2": None}
            for m in ("tpr", "fpr")
        ],
    }
    return {
        "release": "internal",
        "policy": {"audit": {"min_effective_n": 10}},
        "study": {"name": "s", "cases": len(rows["y"]), "patients": len(rows["y"])},
        "skipped": [{"case": "c1", "reason": "label is missing"}],
        "outputs": [output],
        "explanations": {},
        "shortcuts": {},
        "comparison": {},
        "data_quality": {"missing": [{"variable": "age", "n": 50, "missing": 3, "share": 0.06}]},
        "requirements": [],
        "prior_runs": [],
        "findings": [{"severity": "info", "where": "labels.y", "message": "3 rows have no label."}],
    }


def cohort(seed, n=200, bands=4, rare=0.05):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(bands, 0.7))
    return {
        "sex": rng.choice(["F", "M", "Unknown"], n, p=[0.5, 0.5 - rare, rare]),
        "band": rng.choice([f"b{i}" for i in range(bands)], n, p=share),
        "y": rng.random(n) < rng.uniform(0.05, 0.5),
        "called": rng.random(n) < rng.uniform(0.05, 0.6),
    }


class Reader:
    """Somebody who has only the restricted release and knows how groups add up."""

    def __init__(self, output):
        self.entries = {(): output["overall"]}
        self.entries |= {tuple(sorted(g["attributes"].items())): g for g in output["groups"]}
        self.column = {
            (key, atom): i for i, (key, atom) in enumerate(itertools.product(self.entries, ATOMS))
        }
        self.rows = []
        for key, shown in self.entries.items():
            self.learn_from(key, shown)
        for one in output["comparisons"]:
            self.learn_comparison(one)
        self.learn_sums()

    def vector(self, key, atoms, sign=1.0):
        row = np.zeros(len(self.column))
        for atom in atoms:
            row[self.column[key, atom]] = sign
        return row

    def learn_from(self, key, shown):
        if shown["n"] is not None:
            self.rows.append(self.vector(key, ATOMS))
        if shown["positives"] is not None:
            self.rows.append(self.vector(key, ("tp", "fn")))
        for name, (above, below) in RATES.items():
            estimate = shown["metrics"][name]
            self.learn(key, above, estimate["k"])
            self.learn(key, below, estimate["n"])
            if estimate["value"] is not None:
                # A rate printed in full gives numerator and denominator away.
                self.learn(key, above, True)
                self.learn(key, below, True)

    def learn(self, key, atoms, shown):
        if shown is not None:
            self.rows.append(self.vector(key, atoms))
            if shown is not True and shown == 0:
                self.rows += [self.vector(key, (a,)) for a in atoms]

    def learn_comparison(self, one):
        key = tuple(sorted(one["group"].items()))
        above, below = RATES[one["metric"]]
        for name, atoms in (("k", above), ("n", below)):
            self.learn(key, atoms, one[f"group_{name}"])
            if one[f"ref_{name}"] is not None:
                self.rows.append(self.vector((), atoms) - self.vector(key, atoms))

    def learn_sums(self):
        for fine, coarse in itertools.permutations(
            {tuple(a for a, _ in k) for k in self.entries}, 2
        ):
            if not set(coarse) < set(fine):
                continue
            for total in (k for k in self.entries if tuple(a for a, _ in k) == coarse):
                parts = [
                    k
                    for k in self.entries
                    if tuple(a for a, _ in k) == fine and set(total) <= set(k)
                ]
                for atom in ATOMS:
                    row = self.vector(total, (atom,))
                    for part in parts:
                        row -= self.vector(part, (atom,))
                    self.rows.append(row)


def secrets_of(evidence):
    output = evidence["outputs"][0]
    entries = [((), output["overall"])]
    entries += [(tuple(sorted(g["attributes"].items())), g) for g in output["groups"]]
    for key, group in entries:
        for above, below in RATES.values():
            for atoms in (above, below):
                count = sum(group["metrics"]["tpr"]["k"] * (a == "tp") for a in atoms)
                count += sum(group["metrics"]["fnr"]["k"] * (a == "fn") for a in atoms)
                count += sum(group["metrics"]["fpr"]["k"] * (a == "fp") for a in atoms)
                count += sum(group["metrics"]["tnr"]["k"] * (a == "tn") for a in atoms)
                if 1 <= count <= CELL:
                    yield key, atoms


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), n=st.integers(20, 600), bands=st.integers(2, 4))
def test_no_small_count_can_be_recovered(seed, n, bands):
    exact = exact_evidence(cohort(seed, n, bands))
    reader = Reader(restrict(exact)["outputs"][0])
    matrix = np.array(reader.rows)
    _, sizes, right = np.linalg.svd(matrix.T @ matrix)
    open_ = right[sizes < 1e-9 * max(1.0, sizes[0])].T
    for key, atoms in set(secrets_of(exact)):
        assert np.abs(reader.vector(key, atoms) @ open_).max(initial=0) > 1e-6, (key, atoms)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(20, 600))
def test_subtraction_leaves_no_small_rest(seed, n):
    output = restrict(exact_evidence(cohort(seed, n)))["outputs"][0]
    for attribute in ("sex", "band"):
        levels = [g for g in output["groups"] if list(g["attributes"]) == [attribute]]
        for count in ("n", "positives"):
            total = output["overall"][count]
            if total is not None:
                rest = total - sum(g[count] or 0 for g in levels)
                assert not 1 <= rest <= CELL


def test_nothing_is_masked_where_no_count_is_small():
    rows = cohort(3, 200)
    rows = {k: np.tile(v, 200) for k, v in rows.items()}
    exact = exact_evidence(rows)
    output = restrict(exact)["outputs"][0]
    assert not any(g["suppressed"] for g in output["groups"])
    assert output["comparisons"] == exact["outputs"][0]["comparisons"]


def small_cohort():
    """Women 300, men 300; of men only 4 are positive, all called."""
    y = np.zeros(600, dtype=bool)
    y[:100] = True
    y[300:304] = True
    called = np.zeros(600, dtype=bool)
    called[:80] = True
    called[120:150] = True
    called[300:304] = True
    called[320:360] = True
    sex = np.repeat(["F", "M"], 300)
    return {"sex": sex, "band": np.tile(["old", "young"], 300), "y": y, "called": called}


def test_what_reveals_a_small_count_is_masked_and_the_rest_is_shown():
    restricted = restrict(exact_evidence(small_cohort(), ("sex",), ()))
    output = restricted["outputs"][0]
    women, men = output["groups"]
    for group in (women, men):
        assert group["suppressed"]
        assert group["n"] == 300
        assert group["positives"] is None
        assert group["metrics"]["tpr"]["suppressed"]
        assert group["metrics"]["tpr"]["value"] is None
        assert group["metrics"]["prevalence"]["n"] == 300
        assert group["metrics"]["auroc"]["value"] is None
    assert men["metrics"]["fnr"]["k"] == 0, "zero is shown"
    assert not output["overall"]["suppressed"]
    tpr = next(c for c in output["comparisons"] if c["metric"] == "tpr")
    assert tpr["suppressed"]
    assert tpr["p"] is None
    assert tpr["q"] is None
    assert tpr["mde"] is None
    assert tpr["difference"]["value"] is None
    assert tpr["difference"]["suppressed"]
    assert tpr["verdict"] == "inconclusive"
    assert tpr["worse"] is None, "the direction is no part of this verdict"
    assert tpr["carried_by"] == []
    assert not any(ch.isdigit() for ch in tpr["reason"])
    assert output["heterogeneity"][0]["p"] is None


@pytest.mark.parametrize(
    ("verdict", "n", "worse"),
    [("disparity", 4, "group"), ("equivalent", 4, None), (None, 4, None), ("disparity", 10, None)],
)
def test_the_direction_is_shown_only_with_a_verdict_that_says_it(verdict, n, worse):
    exact = exact_evidence(small_cohort(), ("sex",), ())
    for one in exact["outputs"][0]["comparisons"]:
        one |= {"verdict": verdict, "group_n": n, "carried_by": [{"sex": "M"}]}
    output = restrict(exact)["outputs"][0]
    for one in output["comparisons"]:
        if one["metric"] == "tpr":
            assert one["worse"] == worse
            assert one["carried_by"] == ([{"sex": "M"}] if worse else [])


def test_the_counts_of_the_summary_are_those_of_the_release():
    exact = exact_evidence(small_cohort(), ("sex",), ())
    for one in exact["outputs"][0]["comparisons"]:
        one |= {"verdict": "disparity", "strength": "confirmed", "group_n": 10}
    exact["summary"] = summarise(exact)
    shown = restrict(exact)
    kept = [one["verdict"] for one in shown["outputs"][0]["comparisons"]]
    assert None in kept, "one verdict would pin a count down"
    assert shown["summary"]["verdicts"]["disparity"] == kept.count("disparity")
    assert exact["summary"]["verdicts"]["disparity"] == len(kept)
    assert shown["summary"]["confirmed"] == kept.count("disparity")


def test_one_sided_secrets_leave_the_other_side_shown():
    rows = small_cohort()
    rows["y"][300:360] = True  # 60 positive men
    rows["called"][300:360] = False
    rows["called"][300:305] = True  # of whom 5 were called
    output = restrict(exact_evidence(rows, ("sex",), ()))["outputs"][0]
    men = output["groups"][1]
    assert men["positives"] == 60
    assert men["metrics"]["tpr"]["n"] == 60
    assert men["metrics"]["tpr"]["k"] is None
    assert men["metrics"]["auroc"]["value"] == 0.8


def test_a_verdict_that_pins_the_count_down_is_masked():
    rows = small_cohort()
    rows["y"][300:310] = True  # exactly the smallest number that can be judged
    output = restrict(exact_evidence(rows, ("sex",), ()))["outputs"][0]
    tpr = [c for c in output["comparisons"] if c["metric"] == "tpr"]
    assert [c["verdict"] for c in tpr] == [None, None]


def test_fields_nobody_judged_stay_out():
    restricted = restrict(exact_evidence(small_cohort()))
    assert "bins" not in restricted["outputs"][0]


def test_the_other_sections_follow():
    restricted = restrict(exact_evidence(small_cohort()))
    quality = restricted["data_quality"]["missing"][0]
    assert quality == {
        "variable": "age",
        "n": None,
        "missing": None,
        "share": None,
        "suppressed": True,
    }
    assert restricted["skipped"] == [
        {"case": None, "reason": "The list stays in internal/.", "n": None, "suppressed": True}
    ]
    assert "3" not in restricted["findings"][0]["message"]
    assert restricted["release"] == "restricted"


def test_a_case_left_out_hides_the_size_of_the_study():
    exact = exact_evidence(small_cohort())
    exact["study"]["cases"] += 3
    assert restrict(exact)["study"]["cases"] is None


def test_a_cohort_of_ten_shows_no_count_at_all():
    restricted = restrict(exact_evidence(cohort(1, 10)))
    assert restricted["outputs"][0]["overall"]["n"] is None
    assert restricted["study"]["patients"] is None


@pytest.mark.parametrize("patients", [1, 10])
def test_few_people_hide_a_group_of_many_images(patients):
    exact = exact_evidence(small_cohort(), ("sex",), ())
    exact["outputs"][0]["groups"][1]["patients"] = patients
    men = restrict(exact)["outputs"][0]["groups"][1]
    assert men["n"] is None
    assert men["patients"] is None


def test_the_exact_evidence_is_left_alone():
    exact = exact_evidence(small_cohort())
    before = json.dumps(exact)
    restrict(exact)
    assert json.dumps(exact) == before
