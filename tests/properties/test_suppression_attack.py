"""An attacker who reads every export of a restricted run together cannot pin a small count down.

All exports are read back: JSON, CSV, XLSX, Markdown, XML, HTML and the PDF's attachments. What
they say of any group becomes equations over whole numbers of people (true and false positives and
negatives of the finest groups, none negative); for every hidden count of 1 to 10 the smallest and
the largest value that fit all equations are sought by integer programming (HiGHS).
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from functools import cache
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from audits import audit_predictions
from audits.reporting import restrict, seal
from audits.reporting.export import FORMATS
from audits.reporting.signoff import DRAFT

CELL = 10
UNKNOWN = (3, 49)
"""Seeds of cohorts with missing groups, sites and months."""
ATOMS = ("tp", "fn", "fp", "tn")
PARTS = {
    "n": ("tp", "fn", "fp", "tn"),
    "positives": ("tp", "fn"),
    "negatives": ("fp", "tn"),
    "called": ("tp", "fp"),
    "uncalled": ("fn", "tn"),
    "right": ("tp", "tn"),
    **{atom: (atom,) for atom in ATOMS},
}
RATES = {  # metric to its numerator and denominator
    "tpr": ("tp", "positives"),
    "fnr": ("fn", "positives"),
    "fpr": ("fp", "negatives"),
    "tnr": ("tn", "negatives"),
    "ppv": ("tp", "called"),
    "npv": ("tn", "uncalled"),
    "accuracy": ("right", "n"),
    "selection_rate": ("called", "n"),
    "prevalence": ("positives", "n"),
}
Group = frozenset[tuple[str, str]]
Fact = tuple[Group, str, int]
Facts = frozenset[Fact] | set[Fact]


def table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(250, 700))
    sex = rng.choice(["F", "M"], n, p=[0.6, 0.4])
    band = rng.choice(["<40", "40-<80", ">=80"], n, p=[0.5, 0.44, 0.06])
    y = rng.random(n) < 0.25
    score = np.clip(0.35 * y + rng.normal(0.35, 0.2, n), 0, 1)
    frame = pd.DataFrame({"y": y.astype(int), "s": score, "sex": sex, "age_band": band})
    if seed in UNKNOWN:
        # Missing values of a group are a group of their own; sites and months add up, too.
        frame.loc[rng.random(n) < 0.06, "age_band"] = None
        frame["clinic"] = rng.choice(["A", "B", "C"], n, p=[0.6, 0.36, 0.04])
        frame["seen"] = rng.choice(["2024-01-05", "2024-02-05", "2024-03-05"], n)
    return frame


@cache
def exact_evidence(seed: int) -> dict[str, Any]:
    more = {"acquired": "seen", "site": "clinic"} if seed in UNKNOWN else {}
    result = audit_predictions(
        table(seed), label="y", score="s", groups=["sex", "age_band"],
        intersections=[["sex", "age_band"]], threshold=0.5, **more,
    )  # fmt: skip
    return seal(result.to_dict(), "0" * 64)


@cache
def restricted(seed: int) -> dict[str, Any]:
    held = restrict(exact_evidence(seed), cell=CELL)
    held["policy"] = {**held["policy"], "suppression": {"release": "restricted", "cell": CELL}}
    return seal(held, "0" * 64)


def number(text: Any) -> int | None:
    return int(float(text)) if text not in (None, "", "None") else None


def rate_facts(group: Group, metric: str, k: Any, n: Any, value: Any) -> set[Fact]:
    if metric not in RATES:
        return set()
    above, below = RATES[metric]
    k, n = number(k), number(n)
    if k is None and n and value not in (None, ""):
        k = round(float(value) * n)
    found = {(group, below, n)} if n is not None else set()
    return found | ({(group, above, k)} if k is not None else set())


def row_facts(rows: list[dict[str, Any]]) -> set[Fact]:
    """Facts of the table of groups and of the table of comparisons, wherever they stand."""
    found: set[Fact] = set()
    for row in rows:
        if "attributes" in row:
            group = frozenset(json.loads(row["attributes"] or "{}").items())
            found |= rate_facts(group, row["metric"], row["k"], row["n"], row["value"])
        elif "group_k" in row and row["metric"] in RATES:
            group = frozenset(json.loads(row["group"]).items())
            everybody: Group = frozenset()
            found |= rate_facts(group, row["metric"], row["group_k"], row["group_n"], None)
            if row["reference"] == "rest":
                for part, name in zip(("k", "n"), RATES[row["metric"]], strict=True):
                    mine, rest = number(row[f"group_{part}"]), number(row[f"ref_{part}"])
                    if mine is not None and rest is not None:
                        found.add((everybody, name, mine + rest))
    return found


def evidence_facts(evidence: dict[str, Any]) -> set[Fact]:
    (output,) = evidence["outputs"]
    found: set[Fact] = set()
    for entry in (output["overall"], *output["groups"]):
        group = frozenset((entry.get("attributes") or {}).items())
        for name in ("n", "positives"):
            if entry.get(name) is not None:
                found.add((group, name, entry[name]))
        for metric, one in entry["metrics"].items():
            found |= rate_facts(group, metric, one.get("k"), one.get("n"), one.get("value"))
    rows = [{**c, "group": json.dumps(c["group"])} for c in output["comparisons"] if "group_k" in c]
    return found | row_facts(rows) | quality_facts(evidence["data_quality"])


def quality_facts(quality: dict[str, Any]) -> set[Fact]:
    """Facts of groups that data quality gives under other names."""
    everybody: Group = frozenset()
    found: set[Fact] = set()
    for one in quality["missing"]:
        if one["variable"] in {"sex", "age_band"} and one["missing"]:
            found.add((frozenset({(one["variable"], "Unknown")}), "n", one["missing"]))
        if one["n"] is not None:
            found.add((everybody, "n", one["n"]))
    sites = [p for p in quality["prevalence"] if p["attribute"]]
    months = (quality["prevalence_by_month"] or {}).get("months") or []
    for parts in (sites, months):
        for name, key in (("positives", "k"), ("n", "n")):
            held = [p[key] for p in parts]
            if held and None not in held:
                found.add((everybody, name, sum(held)))
    for one in quality["prevalence"]:
        if one["attribute"] is None:
            for name, key in (("positives", "k"), ("n", "n")):
                found |= {(everybody, name, one[key])} if one[key] is not None else set()
    return found


def csv_facts(data: bytes) -> set[Fact]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        texts = [archive.read(n).decode() for n in ("groups.csv", "comparisons.csv")]
    return set().union(*(row_facts(list(csv.DictReader(io.StringIO(t)))) for t in texts))


def xlsx_facts(data: bytes) -> set[Fact]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    found: set[Fact] = set()
    for name in ("Groups", "Comparisons"):
        head, *rows = book[name].iter_rows(values_only=True)
        found |= row_facts([dict(zip(head, row, strict=True)) for row in rows])
    return found


def pdf_facts(data: bytes) -> set[Fact]:
    pikepdf = pytest.importorskip("pikepdf")
    with pikepdf.open(io.BytesIO(data)) as document:
        files = {n: a.get_file().read_bytes() for n, a in document.attachments.items()}
    found = evidence_facts(json.loads(files["evidence.json"]))
    for name in ("groups.csv", "comparisons.csv"):
        found |= row_facts(list(csv.DictReader(io.StringIO(files[name].decode()))))
    return found


def text_numbers(evidence: dict[str, Any]) -> set[str]:
    """Whole numbers that the exports for reading print."""
    texts = [FORMATS[form](evidence, DRAFT).decode() for form in ("html", "md", "xml")]
    plain = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", " ".join(texts), flags=re.DOTALL)
    return set(re.findall(r"(?<![\w.,])\d{1,3}(?:,\d{3})*(?![\w.,]|\s?%)", plain))


@cache
def harvest(seed: int) -> frozenset[Fact]:
    """Return everything that all exports together say of counts."""
    evidence = restricted(seed)
    return frozenset(
        evidence_facts(json.loads(FORMATS["json"](evidence, DRAFT)))
        | csv_facts(FORMATS["csv"](evidence, DRAFT))
        | xlsx_facts(FORMATS["xlsx"](evidence, DRAFT))
        | pdf_facts(FORMATS["pdf"](evidence, DRAFT))
    )


def finest(exact: dict[str, Any]) -> list[Group]:
    groups = [g["attributes"] for g in exact["outputs"][0]["groups"]]
    return [frozenset(g.items()) for g in groups if len(g) == 2]


def vector(cells: list[Group], group: Group, name: str) -> np.ndarray:
    """Return which unknowns a count sums."""
    return np.array(
        [float(group <= cell and atom in PARTS[name]) for cell in cells for atom in ATOMS]
    )


def bounds(cells: list[Group], facts: Facts, group: Group, name: str) -> tuple[int, int]:
    """Return the smallest and the largest value of a count that fits all facts."""
    rows = np.array([vector(cells, g, n) for g, n, _ in facts])
    values = np.array([v for _, _, v in facts], dtype=float)
    aim = vector(cells, group, name)
    ends = []
    for sign in (1.0, -1.0):
        done = milp(
            sign * aim,
            constraints=LinearConstraint(rows, values, values),
            integrality=np.ones(len(aim)),
            bounds=Bounds(0, 5000),
        )
        assert done.success, done.message
        ends.append(round(float(aim @ done.x)))
    return ends[0], ends[1]


def true_counts(exact: dict[str, Any]) -> dict[tuple[Group, str], int]:
    found = {}
    for entry in exact["outputs"][0]["groups"]:
        group = frozenset(entry["attributes"].items())
        n, positives = entry["n"], entry["positives"]
        tp, fp = entry["metrics"]["tpr"]["k"] or 0, entry["metrics"]["fpr"]["k"] or 0
        found |= {
            (group, "n"): n, (group, "positives"): positives, (group, "negatives"): n - positives,
            (group, "tp"): tp, (group, "fn"): positives - tp, (group, "fp"): fp,
            (group, "tn"): n - positives - fp,
        }  # fmt: skip
    return found


def pinned(exact: dict[str, Any], facts: Facts) -> list[tuple[Group, str, int]]:
    """Return the small counts that only one value fits."""
    cells = finest(exact)
    small = {key: v for key, v in true_counts(exact).items() if 1 <= v <= CELL}
    assert small
    return [
        (*key, value) for key, value in small.items() if len(set(bounds(cells, facts, *key))) == 1
    ]


@pytest.mark.parametrize("seed", [1, 2, *UNKNOWN])
def test_no_small_count_follows_from_all_exports_together(seed):
    exact = exact_evidence(seed)
    assert pinned(exact, harvest(seed)) == []


def test_the_attack_works_where_nothing_is_masked():
    exact = exact_evidence(1)
    assert pinned(exact, evidence_facts(exact))


def test_the_attack_finds_what_a_missing_complement_gives_away():
    exact = exact_evidence(1)
    facts = harvest(1)
    hidden = next(
        key for key, v in true_counts(exact).items()
        if 1 <= v <= CELL and (*key, v) not in facts and key[1] == "tp" and len(key[0]) == 2
    )  # fmt: skip
    others = {
        (group, "tp", value)
        for (group, name), value in true_counts(exact).items()
        if name == "tp" and group != hidden[0] and len(group) == 2
    }
    total = sum(v for (g, n), v in true_counts(exact).items() if n == "tp" and len(g) == 2)
    told = pinned(exact, facts | others | {(frozenset(), "tp", total)})
    assert any(group == hidden[0] and name == "tp" for group, name, _ in told)


def test_exports_for_reading_print_no_small_count_of_people():
    exact = exact_evidence(2)
    held = restricted(2)
    hidden = {str(v) for v in true_counts(exact).values() if 1 <= v <= CELL}
    shown = text_numbers(held)
    assert hidden
    counts = {str(v) for _, _, v in harvest(2) if v > CELL}
    assert counts & shown
    assert all(v == 0 or v > CELL for _, _, v in harvest(2))
