"""Compare versions on a real comparison: every part draws, and its cases open side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audits.cli.failures import run_guarded


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a comparison of two score columns, and an audit of one of them."""
    return compared(tmp_path_factory.mktemp("compared"), "internal")


@pytest.fixture(scope="module")
def restricted(tmp_path_factory):
    """The same at release restricted."""
    return compared(tmp_path_factory.mktemp("restricted"), "restricted")


def compared(folder, release):
    """Compare two score columns of a table under a policy with a gate; audit one of them, too."""
    rng = np.random.default_rng(3)
    n = 900
    y, sex = rng.integers(0, 2, n), rng.choice(["F", "M"], n)
    old = np.clip(0.4 * y + 0.6 * rng.random(n), 0, 1)
    new = np.where((sex == "F") & (y == 1), old * 0.7, old)
    frame = pd.DataFrame({"y": y, "old": old, "new": new, "sex": sex, "pid": np.arange(n) // 2})
    frame = frame.assign(z=1 - y, old_z=1 - old, new_z=1 - new)  # a second output, mirrored
    frame.to_csv(folder / "scores.csv", index=False)
    (folder / "policy.toml").write_text(
        '[audit]\ngroups = ["sex"]\nverdict_metrics = ["tpr", "auroc"]\n'
        '[[gate.rule]]\nmetric = "tpr"\nkind = "noninferiority"\nlimit = 0.05\n'
        f'[suppression]\nrelease = "{release}"\n',
        encoding="utf-8",
    )
    shared = ["--predictions", folder / "scores.csv", "--label", "y", "--patient", "pid"]
    shared += ["--group", "sex", "--threshold", "0.5", "--store", folder / "store"]
    policy = ["--policy", folder / "policy.toml"]
    first = ["audit", *shared, "--score", "old", "--no-why", "--out", folder / "first"]
    both = ["compare", *shared, *policy, "--base-score", "old", "--candidate-score", "new"]
    both += ["--label", "z", "--base-score", "old_z", "--candidate-score", "new_z"]
    for command in (first, [*both, "--out", folder / "both"]):
        assert run_guarded([str(word) for word in command]) == 0
    return folder / "store"


def told(app) -> str:
    return " ".join(str(element.value) for element in (*app.markdown, *app.caption))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("paired", "Worse"),
        ("groups", ""),
        ("flips", "are called correctly only"),
        ("thresholds", "At the declared thresholds"),
        ("reasons", "does not compare these versions' explanations"),
        ("gate", "Violated"),
        ("history", "What changed beside the model"),
    ],
)
def test_every_part_of_a_comparison_is_drawn(open_app, store, section, said):
    app = open_app(store, "compare", section=section)
    assert not app.exception
    assert not app.error
    assert said in told(app)


@pytest.mark.parametrize("section", ["paired", "reasons", "gate", "history"])
def test_a_restricted_comparison_is_drawn_too(open_app, restricted, section):
    app = open_app(restricted, "compare", section=section)
    assert not app.exception
    assert not app.error


def test_a_moved_threshold_is_exploratory(open_app, store):
    app = open_app(store, "compare", section="thresholds")
    held = app.session_state._state.filtered_state
    key = next(one for one in held if one.startswith("moved_") and not one.endswith("_back"))
    app.session_state[key] = 0.3
    app.run()
    assert not app.exception
    assert "Exploratory" in told(app)


def test_newly_missed_cases_come_first_and_open_side_by_side(open_app, store):
    app = open_app(store, "compare", section="flips")
    links = [e.proto for e in app.get("page_link") if "beside=old" in e.proto.query_string]
    assert links
    assert "has the condition" in links[0].label
