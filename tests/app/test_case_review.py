"""A clinician's page: hidden until estimated, recorded with a reason, closed to other roles."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audits.storage import Reviews
from dashboard.identity import Person, may_open, signed_in
from dashboard.queries import columns, similar
from dashboard.queries.cases import Question, page_of_cases
from dashboard.queries.explanations import case_explanation
from dashboard.queries.runs import run_ref

CASE = {"case": "c-000", "output": "nodule"}
HIDDEN = ("Predicted risk", "Reference label", "Why this score", "in 100", "Missed", "Found")


def texts(app) -> str:
    found = [*app.markdown, *app.caption, *app.title, *app.header, *app.subheader, *app.html]
    tables = [str(table.value.to_dict()) for table in app.dataframe]
    labels = [str(tab.label) for tab in app.tabs]
    return "\n".join([*(str(getattr(e, "value", e)) for e in found), *tables, *labels])


def button(app, label):
    return next(one for one in app.button if one.label == label)


def test_nothing_of_the_model_shows_before_the_own_estimate(open_app, own_run):
    app = open_app(own_run / "store", "case_review", **CASE)
    assert "Predicted risk" in texts(app)
    app.toggle("blind").set_value(True).run()
    assert not app.exception
    shown = texts(app)
    for word in HIDDEN:
        assert word not in shown, word
    payload = app.get("bidi_component")[0].proto.bytes
    meta = json.loads(payload[4 : 4 + int.from_bytes(payload[:4], "little")])
    assert meta["map"] is None
    slider = next(one for one in app.slider if "estimate" in one.label)
    slider.set_value(30)
    button(app, "Give this estimate").click().run()
    assert not app.exception
    (review,) = Reviews(own_run / "store").listed()
    assert (review.kind, review.own_estimate, review.case) == ("estimate", 0.3, "c-000")
    assert "You estimated 30.0 %" in texts(app)
    assert "Predicted risk" in texts(app)


def test_a_disagreement_needs_a_reason_and_is_kept(open_app, own_run):
    app = open_app(own_run / "store", "case_review", section="opinion", **CASE)
    next(one for one in app.button_group if "agree" in one.label).set_value("disagree")
    button(app, "Record").click().run()
    assert not app.exception
    assert "without a reason" in "\n".join(str(e.value) for e in app.error)
    next(one for one in app.button_group if "agree" in one.label).set_value("disagree")
    app.text_area[0].set_value("Nodule behind the heart")
    button(app, "Record").click().run()
    (review,) = Reviews(own_run / "store").listed()
    assert (review.kind, review.reason) == ("disagree", "Nodule behind the heart")
    assert review.predicted is not None
    assert "Nodule behind the heart" in texts(app)


@pytest.mark.parametrize(
    ("role", "page", "open_to"),
    [
        ("reviewer", "case_review", False),
        ("clinician", "reports", True),
        ("clinician", "case_review", True),
        ("owner", "case_review", True),
        ("reviewer", "bias_audit", True),
    ],
)
def test_a_page_is_closed_to_roles_it_is_not_for(open_app, shared_run, role, page, open_to):
    app = open_app(shared_run / "store")
    app.session_state["working_as"] = role
    app.switch_page(f"app_pages/{page}.py").run()
    assert not app.exception
    denied = "✗ Denied" in texts(app)
    assert denied is not open_to
    if denied:
        assert "c-000" not in texts(app)
        assert "run-a" not in texts(app)


def test_a_sign_in_gives_the_roles_of_its_groups_and_no_other():
    settings = {"role_claim": "groups", "roles": {"clinician": ["rad"], "owner": ["ml"]}}
    person = signed_in({"email": "a@b.org", "groups": ["rad", "staff"]}, settings)
    assert person == Person(name="a@b.org", roles=("clinician",), signed_in=True)
    stranger = signed_in({"sub": "x", "groups": "staff"}, settings)
    assert stranger.roles == ()
    assert not may_open(stranger, "overview")
    assert may_open(stranger, "about")
    assert not may_open(person, "a-page-nobody-named")


def test_without_sign_in_the_configured_server_shows_nothing(open_app, shared_run):
    app = open_app(shared_run / "store")
    app.secrets["auth"] = {"client_id": "x"}
    app.run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Sign in"]
    assert "run-a" not in texts(app)


def test_pages_of_the_list_hold_every_case_once(open_app, shared_run):
    open_app(shared_run / "store")
    ref = run_ref(shared_run / "run-a")
    question = Question(ref=ref, model="toy@1.0", output="nodule", threshold=0.5, show="wrong")
    pages = [page_of_cases(question, at, 20)[0] for at in range(20)]
    ids = [row.case for page in pages for row in page]
    assert len(ids) == len(set(ids)) == page_of_cases(question, 0, 20)[1]
    assert {row.outcome for page in pages for row in page} == {"false_positive", "false_negative"}


def test_similar_patients_hold_both_outcomes_and_never_the_patient(open_app, shared_run):
    open_app(shared_run / "store")
    ref = run_ref(shared_run / "run-a")
    found = similar.similar_cases(ref, "toy@1.0", "nodule", "c-000")
    assert found.with_condition
    assert found.without
    assert {one.label for one in found.with_condition} == {1}
    shown = {one.case for one in (*found.with_condition, *found.without)}
    assert not shown & {"c-000", "c-001"}  # both are of the first patient
    assert 0 <= found.low <= found.k / found.n <= found.high <= 1


def test_other_cases_of_the_same_patient_are_linked(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", output="nodule", case="c-000")
    assert "Same patient, 1 other case:" in texts(app)
    (link,) = [one for one in app.get("page_link") if one.proto.label.startswith("c-001")]
    assert "case=c-001" in link.proto.query_string


def test_patients_are_alike_by_scores_where_no_column_holds_what_moved_the_score(
    open_app, shared_run, monkeypatch
):
    open_app(shared_run / "store")
    ref = run_ref(shared_run / "run-a")
    monkeypatch.setattr(similar, "_effect_sizes", lambda *_: {"vitals: hr": 2.0, "age": 0.5})
    found = similar.similar_cases(ref, "toy@1.0", "nodule", "c-002")
    assert found.by == "scores"
    assert any(one.closeness > 0 for one in (*found.with_condition, *found.without))


def test_the_observed_rate_stands_on_the_page_with_n_and_where_it_was_counted(open_app, own_run):
    shown = texts(open_app(own_run / "store", "case_review", output="nodule", case="c-007"))
    assert " in 100** patients with such a predicted risk" in shown
    assert "the audited cases themselves" in shown
    path = own_run / "run-a" / "evidence.json"
    evidence = json.loads(path.read_text())
    evidence["study"]["sampling"] = "enriched"
    path.write_text(json.dumps(evidence))
    hidden = texts(open_app(own_run / "store", "case_review", output="nodule", case="c-007"))
    assert " in 100** patients" not in hidden
    assert "enriched for the condition" in hidden


def test_a_cache_never_serves_another_patient_or_another_run(open_app, own_run, run_fixture):
    """Streamlit hashes large arrays from a sample; keys here are ids and a time stamp."""
    open_app(own_run / "store")
    ref = run_ref(own_run / "run-a")
    seen = columns.scored(ref, "toy@1.0", "nodule").risk.copy()
    cases = {
        case: case_explanation(ref, "toy@1.0", case, output).entry["case"]
        for case, output in (("c-000", "nodule"), ("c-000", "sepsis"))
    }
    assert set(cases) == set(cases.values())
    file = columns.predictions_file(ref, "toy@1.0")
    import pandas as pd

    table = pd.read_parquet(file)
    table.loc[7, "prob__nodule"] = 1 - table.loc[7, "prob__nodule"]
    table.to_parquet(file, index=False)
    path = own_run / "run-a" / "evidence.json"
    path.write_bytes(path.read_bytes() + b"\n")
    other = run_ref(own_run / "run-a")
    assert other != ref
    changed = np.flatnonzero(columns.scored(other, "toy@1.0", "nodule").risk != seen)
    assert changed.tolist() == [7]
