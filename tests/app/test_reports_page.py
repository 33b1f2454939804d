"""The reports page: sign-off from the first field to the filed report, and exports of a case."""

from __future__ import annotations

from audits.reporting.signoff import add_records, declaration, filing_of, obstacles, read_signoff
from audits.reporting.signoff.filing import with_signoff
from audits.storage import open_run, verify_run
from dashboard.identity import Person, may_open
from dashboard.queries.reports import stated
from dashboard.queries.runs import run_ref
from dashboard.queries.signing import role_labels


def texts(app) -> str:
    found = [*app.markdown, *app.caption, *app.success, *app.header]
    return "\n".join(str(element.value) for element in found)


def choose(app, kind):
    app.segmented_control("signoff_kind").set_value(kind).run()
    return app


def submit(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def test_a_field_is_declared_on_the_page(open_app, own_run):
    app = open_app(own_run / "store", "reports", section="signing")
    choose(app, "Declare")
    fields = next(one for one in app.multiselect if one.label == "Fields")
    fields.select("contact")
    next(one for one in app.text_area if one.label == "Text").set_value("ward@example.org")
    submit(app, "Declare")
    held = read_signoff(own_run / "run-a").fields["contact"]
    assert held["text"] == "ward@example.org"
    assert held["by"]
    assert "Declared: Contact" in texts(app)
    assert verify_run(own_run / "run-a").intact


def test_an_entry_that_is_refused_says_why(open_app, own_run):
    app = choose(open_app(own_run / "store", "reports", section="signing"), "Sign")
    app.segmented_control[-1].set_value("reject")
    submit(app, "Sign")
    assert "needs a --note" in "\n".join(str(e.value) for e in app.error)
    assert not read_signoff(own_run / "run-a").records


def test_the_page_finalises_and_offers_the_filed_report(open_app, own_run):
    run = open_run(own_run / "run-a")
    blank = obstacles(run, filing_of(run)).blank
    add_records(run, [declaration(name, by="A", not_available="Test.") for name in blank])
    app = open_app(own_run / "store", "reports", section="signing")
    for role in ("prepared", "clinical", "compliance", "owner"):
        choose(app, "Sign")
        next(one for one in app.selectbox if one.label == "Sign as").set_value(role)
        submit(app, "Sign")
    choose(app, "Finalise")
    submit(app, "Finalise this edition")
    assert read_signoff(run.path).final
    assert "Edition 1 is final" in texts(app)
    assert (run.path / "signoff" / "report-1.pdf").is_file()
    assert verify_run(run.path).intact
    printed = with_signoff(run.evidence, filing_of(run))["requirements"]
    assert stated(run_ref(run.path)) == printed


def test_a_bundle_of_a_case_is_made_when_asked_for(open_app, own_run):
    app = open_app(own_run / "store", "reports")
    case = open_run(own_run / "run-a").cases["case_id"].iloc[0]
    next(one for one in app.text_input if one.label == "Case").set_value(str(case)).run()
    app.segmented_control("report_case_form").set_value("fhir").run()
    submit(app, "Make it")
    assert not app.error


def test_a_clinician_reads_and_signs_and_takes_no_export(open_app, own_run):
    app = open_app(own_run / "store", "reports", section="signing")
    app.session_state["working_as"] = "clinician"
    app.run()
    assert not app.exception
    assert not [b for b in app.get("download_button") if b.proto.label.startswith("CSV")]
    assert app.segmented_control("signoff_kind").options == ["Sign"]
    assert next(one for one in app.selectbox if one.label == "Sign as").options == [
        "Clinical review"
    ]
    app.session_state["working_as"] = "clinician"
    submit(app, "Sign")
    held = read_signoff(own_run / "run-a")
    assert list(held.attestations) == ["clinical"]


def test_a_role_gives_only_its_own_signatures():
    for role, gives in (
        ("clinician", {"clinical"}),
        ("reviewer", {"prepared", "compliance"}),
        ("owner", {"prepared", "owner"}),
    ):
        person = Person(name="a@b.org", roles=(role,), signed_in=True)
        assert set(role_labels(person)) == gives
        assert may_open(person, "reports")
        assert person.may("sign") == (role == "reviewer")
        assert person.may("export") == (role != "clinician")
