"""Every page in every state: no data, data, a run that vanished, a model that is gone."""

from __future__ import annotations

import json
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import identity
from dashboard.evidence import find_output, group_entry
from dashboard.identity import Person
from dashboard.queries.runs import evidence, run_ref
from dashboard.queries.thresholds import explored

PAGES = ("overview", "case_review", "bias_audit", "compare", "reports", "about")
RUN_PAGES = PAGES[:-1]
UNEXPECTED = "Something unexpected"


def texts(app) -> str:
    found = [*app.markdown, *app.caption, *app.title, *app.header, *app.subheader]
    return "\n".join(str(element.value) for element in found)


def problems(app) -> str:
    return "\n".join(str(element.value) for element in app.error)


def healthy(app) -> None:
    assert not app.exception
    assert UNEXPECTED not in problems(app)


def explore(app, threshold: float) -> None:
    """Move the slider of the threshold, as its own component does."""
    held = app.session_state._state.filtered_state
    (key,) = (one for one in held if one.startswith("explored_") and isinstance(held[one], float))
    app.session_state[key] = threshold
    app.run()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_data_says_what_to_do(open_app, tmp_path, page):
    app = open_app(tmp_path / "store", page)
    healthy(app)
    assert not app.error
    if page != "about":
        assert "No audit yet" in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_data_shows_it(open_app, shared_run, page):
    app = open_app(shared_run / "store", page)
    healthy(app)
    assert not app.error
    assert len(app.title) == 1
    if page != "about":
        assert "run-a" in texts(app)


SECTIONS = {
    "bias_audit": (
        *("who", "data", "verdicts", "groups", "between", "calibration", "underdiagnosis"),
        *("further", "why", "drivers", "slices", "shortcuts", "threshold", "decision"),
        *("mitigation", "declare"),
    ),
    "case_review": ("why", "own_groups", "what_if", "similar", "opinion"),
    "compare": ("paired", "groups", "flips", "thresholds", "reasons", "gate", "history"),
    "reports": ("exports", "signing", "states", "models"),
}


@pytest.mark.parametrize(
    ("page", "section"), [(page, name) for page, names in SECTIONS.items() for name in names]
)
def test_every_section_of_a_page_opens_by_its_link(open_app, shared_run, page, section):
    app = open_app(shared_run / "store", page, section=section)
    healthy(app)
    assert not app.error
    assert app.query_params["section"] == section


@pytest.mark.parametrize("page", RUN_PAGES)
def test_a_vanished_run_leaves_the_empty_state(open_app, own_run, page):
    shutil.rmtree(own_run / "run-a")
    app = open_app(own_run / "store", page)
    healthy(app)
    assert "No audit yet" in texts(app)


def test_a_broken_run_is_named_and_the_others_go_on(open_app, own_run):
    (own_run / "run-a" / "evidence.json").write_text("{", encoding="utf-8")
    app = open_app(own_run / "store")
    healthy(app)
    assert "cannot be read as JSON" in problems(app)


def test_a_run_without_predictions_keeps_the_rest_of_the_page(open_app, own_run):
    shutil.rmtree(own_run / "run-a" / "internal" / "predictions")
    app = open_app(own_run / "store", "bias_audit", section="threshold")
    healthy(app)
    assert "Declared before any result" in texts(app)
    assert "auscult verify" in problems(app)
    app = open_app(own_run / "store", "bias_audit", section="verdicts")
    assert "| Verdict |" in texts(app)
    assert not app.error


def test_an_unknown_run_in_the_address_falls_back_and_says_so(open_app, shared_run):
    app = open_app(shared_run / "store", "bias_audit", run="gone")
    healthy(app)
    assert "gone" in app.warning[0].value


def test_an_unknown_model_of_a_link_is_said_once(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", run="run-a", model="other@9.0")
    healthy(app)
    assert "other@9.0 is not in this run; showing" in app.warning[0].value
    app.run()
    assert not app.warning


def test_an_unforeseen_error_is_logged_by_its_place_without_its_words(caplog):
    def page():
        from dashboard.views import states

        with states.guarded("This part cannot be shown"):
            int("Muster" + str(2**5))

    app = AppTest.from_function(page).run()
    assert "server's log" in app.error[0].value
    assert "ValueError" in caplog.text
    assert "Muster32" not in caplog.text + app.error[0].value


def test_a_deep_link_opens_the_case(open_app, shared_run):
    query = {"run": "run-a", "model": "toy@2.0", "output": "sepsis", "case": "c-000"}
    app = open_app(shared_run / "store", "case_review", **query)
    healthy(app)
    assert "Case c-000" in texts(app)
    assert app.selectbox("model").value == "toy@2.0"
    assert app.selectbox("output").value == "sepsis"
    assert "not for primary diagnosis" in app.info[0].value.lower()


def test_an_unknown_case_is_one_sentence(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", case="nobody")
    healthy(app)
    assert "'nobody' is not among the cases" in problems(app)


def test_an_image_case_sends_one_block_of_bytes(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", case="c-000", output="nodule")
    healthy(app)
    payload = app.get("bidi_component")[0].proto.bytes
    length = int.from_bytes(payload[:4], "little")
    meta = json.loads(payload[4 : 4 + length])
    assert (meta["height"], meta["width"]) == (40, 48)
    assert meta["map"]["columns"] == 48


def test_a_missing_model_folder_is_said_and_the_image_stays(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", case="c-007", output="nodule")
    healthy(app)
    assert "toy@1.0 is gone" in problems(app)
    assert len(app.get("bidi_component")) == 1


def test_a_case_without_image_says_so(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", case="c-010", output="nodule")
    healthy(app)
    assert "not shipped" in problems(app)


def test_variables_stand_on_both_sides_and_missing_ones_are_named(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review", case="c-000", output="sepsis")
    healthy(app)
    shown = texts(app)
    assert "Raises the score" in shown
    assert "Lowers the score" in shown
    assert "Not measured in this patient: White cells" in shown


def test_filters_show_missed_cases_only(open_app, shared_run):
    app = open_app(shared_run / "store", "case_review")
    assert set(app.dataframe[0].value["Case"]) == {"c-000", "c-007"}  # those with an image
    app.toggle("with_image").set_value(False)
    app.get("pills")[0].set_value("missed").run()
    healthy(app)
    table = app.dataframe[0].value
    assert len(table)
    assert set(table["Call"]) == {"✗ Missed"}


def test_exploring_a_threshold_greys_the_verdicts(open_app, shared_run):
    app = open_app(shared_run / "store", "bias_audit", section="threshold")
    healthy(app)
    assert "was not declared before the run" not in texts(app)
    explore(app, 0.3)
    healthy(app)
    assert "not declared before the run" in texts(app)
    app.query_params["section"] = "verdicts"
    app.run()
    healthy(app)
    assert "Exploring a threshold of 0.300" in texts(app)
    assert "| :gray-badge[" in texts(app)
    assert ":red-badge[" not in texts(app).partition("| Verdict |")[2]


def test_an_explored_threshold_opens_the_form_from_the_part_that_draws_itself(open_app, shared_run):
    app = open_app(shared_run / "store", "bias_audit", section="threshold")
    explore(app, 0.3)
    app.button("declare_explored").click().run()
    healthy(app)
    assert app.query_params["section"] == "declare"
    assert "written down and hashed" in texts(app)


def test_versions_are_compared_and_linked(open_app, shared_run):
    app = open_app(shared_run / "store", "compare", section="flips")
    healthy(app)
    assert "called correctly only" in texts(app)
    assert app.selectbox("candidate").value == "toy@2.0"


def test_verification_names_an_altered_file(open_app, own_run):
    app = open_app(own_run / "store", "reports")
    app.button("verify").click().run()
    assert "Intact" in app.success[0].value
    run_file = own_run / "run-a" / "internal" / "run.json"
    run_file.write_text(run_file.read_text(encoding="utf-8") + " ", encoding="utf-8")
    app.button("verify").click().run()
    assert "internal/run.json" in problems(app)


def test_an_audit_of_a_folder_without_study_is_one_sentence(open_app, own_run):
    for version in ("1.0", "2.0"):
        (own_run / "models" / f"toy@{version}").mkdir(parents=True)
    (own_run / "study" / "study.toml").unlink()
    app = open_app(own_run / "store")
    app.session_state["start_audit"] = True  # the form is drawn only while it is open
    app.run()
    app.multiselect[0].select(str(own_run / "models" / "toy@1.0")).run()
    start = next(button for button in app.button if button.label == "Start the audit")
    start.click().run()
    healthy(app)
    assert "no study.toml in there" in problems(app)


def test_the_explorer_at_the_declared_threshold_shows_the_numbers_of_the_run(open_app, shared_run):
    open_app(shared_run / "store")
    ref = run_ref(shared_run / "run-a")
    entry = find_output(evidence(ref), "toy@1.0", "nodule")
    groups = explored(ref, "toy@1.0", "nodule", entry["threshold"]["value"])
    assert [g.n for g in groups if not g.attributes] == [entry["overall"]["n"]]
    for group in groups:
        declared = group_entry(entry, group.attributes)
        for metric in ("tpr", "fpr"):
            for part in ("k", "n"):
                assert group.metrics[metric][part] == declared["metrics"][metric][part]


def test_two_runs_of_the_same_minute_are_told_apart(open_app, tmp_path, run_fixture):
    for run in ("run-first", "run-second"):
        run_fixture.write_run(tmp_path / run, tmp_path / "store", run_id=run)
    for run in ("run-first", "run-second"):
        app = open_app(tmp_path / "store", "reports", run=run)
        healthy(app)
        assert run in texts(app)
        assert len(set(app.selectbox("run").options)) == 2


@pytest.mark.parametrize("page", RUN_PAGES)
def test_a_page_over_a_model_that_does_not_load_keeps_standing(open_app, own_run, page):
    for version in ("1.0", "2.0"):
        folder = own_run / "models" / f"toy@{version}"
        folder.mkdir(parents=True)
        (folder / "model.toml").write_text(
            f'[model]\nid = "toy"\nversion = "{version}"\ntask = "multilabel"\n'
            'outputs = ["nodule", "sepsis"]\nspace = "logit"\n[weights]\nformat = "safetensors"\n'
            f'file = "gone.safetensors"\nsha256 = "{"0" * 64}"\n',
            encoding="utf-8",
        )
    app = open_app(own_run / "store", page, case="c-007", output="nodule")
    healthy(app)
    assert len(app.title) == 1
    if page == "case_review":
        assert "cannot be explained here" in "\n".join(
            f"{e.value} {getattr(e.proto, 'title', '')}" for e in app.error
        )
        assert "Case c-007" in texts(app)
    else:
        assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_a_person_without_a_role_sees_about_and_nothing_else(
    open_app, shared_run, monkeypatch, page
):
    nobody = Person(name="guest", roles=(), signed_in=True)
    monkeypatch.setattr(identity, "current", lambda: nobody)
    app = open_app(shared_run / "store", page)
    healthy(app)
    assert ("Denied" in texts(app)) is (page != "about")
    assert "toy_study" not in texts(app)
    assert "run-a" not in texts(app)


def test_addresses_and_logs_name_cases_by_id_and_hold_no_value(open_app, shared_run, caplog):
    app = open_app(shared_run / "store", "case_review", case="c-000", output="sepsis")
    for section in ("own_groups", "what_if", "similar", "opinion"):
        app.query_params["section"] = section
        app.run()
        healthy(app)
    assert set(app.query_params) <= {*STATE_KEYS}
    address = " ".join(str(value) for value in app.query_params.values())
    shown = [column for column in ("F", "M", "<40", "40-<60", ">=60") if column in address.split()]
    assert not shown
    assert "c-000" not in caplog.text
    assert "Lactate" not in caplog.text


STATE_KEYS = (
    *("run", "model", "output", "case", "metric", "base", "candidate", "section", "show", "group"),
    *("cohort", "beside"),
)
