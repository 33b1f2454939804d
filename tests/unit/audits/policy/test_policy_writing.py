"""A policy written back as a file says the same as before."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from audits.errors import PolicyError
from audits.policy import load_policy
from audits.policy.writing import declare_policy, policy_toml

SAMPLES = sorted((Path(__file__).parents[4] / "sample_data").glob("*/policy.toml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_a_policy_survives_being_written(path, tmp_path):
    held = load_policy(path).to_dict()
    again = load_policy(declare_policy(held, tmp_path)).to_dict()
    for name in set(held) - {"by", "sha256"}:
        assert again[name] == held[name], name


def test_the_same_declaration_is_the_same_file_and_nonsense_leaves_none(tmp_path):
    policy = load_policy(None).to_dict()
    first = declare_policy(policy, tmp_path)
    assert declare_policy(policy, tmp_path) == first
    with pytest.raises(PolicyError):
        declare_policy({**policy, "margin": {"tpr": 3.0}}, tmp_path)
    assert [one.name for one in first.parent.iterdir()] == [first.name]


def test_awkward_words_stay_words():
    reasons = {"margin.tpr": 'five "missed" in 100,\nnot ten \\ more'}
    table = {"F (x)": 0.5, "M": 0.5}
    text = policy_toml({"reasons": reasons, "causes": {"population": {"sex": table}}})
    read = tomllib.loads(text)
    assert read["reasons"] == reasons
    assert read["causes"]["population"]["sex"] == table
