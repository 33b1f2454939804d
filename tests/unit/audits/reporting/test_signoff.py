"""Sign-off: what people declare and sign; a final report is never edited."""

from __future__ import annotations

import shutil

import pytest

from audits.cli.failures import run_guarded as main
from audits.errors import AuditError, StoreError
from audits.reporting import seal
from audits.reporting.document import build_document
from audits.reporting.pdf import report_pdf
from audits.reporting.signoff import (
    ROLES,
    add_records,
    attestation,
    declaration,
    disparity_action,
    exploratory_limit,
    filing_of,
    finalise,
    obstacles,
    read_signoff,
    supersession,
)
from audits.storage import RunWriter, open_run, verify_run

PROFILES = ("section1557",)
BY = "A. Ng, compliance"


def written(evidence, out, exact=None):
    with RunWriter(out) as writer:
        writer.write_json("internal/run.json", {"kind": "table"})
        if exact is not None:
            writer.write_json("internal/exact.json", exact)
        writer.write_json("evidence.json", seal(evidence, writer.internal_sha256()))
        writer.commit()
    return out


@pytest.fixture(scope="module")
def made(exact, tmp_path_factory):
    return written(exact, tmp_path_factory.mktemp("signoff") / "run")


@pytest.fixture
def run(made, tmp_path):
    return open_run(shutil.copytree(made, tmp_path / "run"))


def sign_all(run):
    return add_records(run, [attestation(role, by=role, decision="approve") for role in ROLES])


def fill(run):
    blank = obstacles(run, filing_of(run, PROFILES)).blank
    return add_records(run, [declaration(name, by=BY, text="Declared.") for name in blank])


def section(run, name):
    document = build_document(run.evidence, filing_of(run, PROFILES))
    (found,) = [s for s in document.sections if s.id == name]
    return repr(found.blocks)


def test_finalising_is_refused_until_nothing_is_missing(run):
    with pytest.raises(AuditError, match=r"blank \(bias_mitigation.*signatures are missing"):
        finalise(run, by=BY, profiles=PROFILES)
    fill(run)
    with pytest.raises(AuditError, match=r"cannot be finalised: signatures are missing \(prepared"):
        finalise(run, by=BY, profiles=PROFILES)
    assert not list(run.path.glob("signoff/*.pdf"))
    sign_all(run)
    signoff, filed = finalise(run, by=BY, profiles=PROFILES)
    assert signoff.final
    assert filed.read_bytes() == report_pdf(run.evidence, filing_of(run))
    assert verify_run(run.path).intact


def test_a_reason_stands_for_a_field_and_is_printed(run):
    add_records(run, [declaration("bias_mitigation", by=BY, not_available="None was tried.")])
    assert "bias_mitigation" not in obstacles(run, filing_of(run, PROFILES)).blank
    assert "None was tried." in section(run, "risks")
    assert "None was tried." in section(run, "limitations")


def test_a_later_change_undoes_signatures(run):
    sign_all(run)
    assert obstacles(run, filing_of(run)).unsigned == ()
    held = add_records(run, [declaration("contact", by=BY, text="x@example.org")])
    assert held.stale == tuple(ROLES)
    assert obstacles(run, filing_of(run)).unsigned == tuple(ROLES)


def test_a_final_report_is_superseded_and_not_edited(run):
    fill(run)
    sign_all(run)
    _, first = finalise(run, by=BY, profiles=PROFILES)
    kept = first.read_bytes()
    with pytest.raises(StoreError, match="is final and cannot be changed"):
        add_records(run, [declaration("contact", by=BY, text="x")])
    with pytest.raises(StoreError, match="is final already"):
        finalise(run, by=BY)
    add_records(run, [supersession(by=BY, reason="The contact changed.")])
    held = add_records(run, [declaration("contact", by=BY, text="new@example.org")])
    assert (held.edition, held.final) == (2, None)
    assert "bias_mitigation" in held.fields
    assert "The contact changed." in section(run, "attestations")
    sign_all(run)
    _, second = finalise(run, by=BY, profiles=PROFILES)
    assert first.read_bytes() == kept
    assert second.name == "report-2.pdf"
    assert verify_run(run.path).intact
    first.write_bytes(kept[:-1] + b"x")
    assert verify_run(run.path).altered == ("signoff/report-1.pdf",)


def test_a_draft_cannot_be_superseded(run):
    with pytest.raises(AuditError, match="is not final"):
        add_records(run, [supersession(by=BY, reason="why")])


def test_limits_after_the_run_are_exploratory_and_move_no_verdict(run):
    tiles = build_document(run.evidence).sections[0].blocks[1]
    add_records(run, [exploratory_limit("tpr", 0.08, by=BY, reason="A later thought.")])
    told = section(run, "executive")
    assert "Exploratory: limits declared after the run" in told
    assert "A later thought." in told
    assert repr(tiles) in told
    assert "A later thought." in section(run, "attestations")


def test_an_action_names_owner_and_date_on_the_executive_page(run):
    record = disparity_action(
        run.evidence, 1, by=BY, owner="B. Roy", due="2027-01-31", action="Second reader."
    )
    add_records(run, [record])
    told = section(run, "executive")
    assert "B. Roy, until 2027-01-31: Second reader." in told
    assert "2027-01-31" in section(run, "risks")


def test_signatures_are_printed_with_name_time_and_decision(run):
    add_records(
        run, [attestation("clinical", by="Dr C. Diaz", decision="conditions", note="Adults only.")]
    )
    told = section(run, "attestations")
    for text in ("Dr C. Diaz", "Approved with conditions", "Adults only.", "UTC", "not signed"):
        assert text in told


def test_requirements_become_attested_only_by_their_signatures(run):
    from audits.reporting.signoff import with_signoff

    def state():
        held = with_signoff(run.evidence, filing_of(run))
        return {r["id"]: r["state"] for r in held["requirements"]}["section1557.c.review"]

    add_records(run, [attestation("clinical", by="C", decision="approve")])
    assert state() == "not_available"
    add_records(run, [attestation("compliance", by="D", decision="approve")])
    assert state() == "attested"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda e: declaration("colour", by=BY, text="x"), "no field 'colour'"),
        (lambda e: declaration("contact", by=BY), "either a text or a reason"),
        (lambda e: declaration("contact", by=" ", text="x"), "nobody is named"),
        (lambda e: attestation("king", by=BY, decision="approve"), "sign as one of"),
        (lambda e: attestation("owner", by=BY, decision="reject"), "needs a --note"),
        (lambda e: exploratory_limit("tpr", 0.1, by=BY, reason=" "), "needs a number"),
        (lambda e: exploratory_limit("colour", 0.1, by=BY, reason="x"), "no metric"),
        (
            lambda e: disparity_action(e, 999, by=BY, owner="x", due="2027-01-01", action="y"),
            "there is no number 999",
        ),
        (
            lambda e: disparity_action(e, 1, by=BY, owner="x", due="soon", action="y"),
            "is no date",
        ),
    ],
)
def test_wrong_records_are_one_sentence(exact, make, match):
    with pytest.raises(AuditError, match=match):
        make(exact)


def test_an_unmasked_count_refuses_a_restricted_report(exact, restricted, tmp_path):
    good = open_run(written(restricted, tmp_path / "good", exact))
    assert not obstacles(good, filing_of(good)).suppression
    output = restricted["outputs"][0]
    shown = {**output, "groups": exact["outputs"][0]["groups"]}
    bad = open_run(written({**restricted, "outputs": [shown]}, tmp_path / "bad", exact))
    assert obstacles(bad, filing_of(bad)).suppression == ("outputs",)
    fill(bad)
    sign_all(bad)
    with pytest.raises(AuditError, match=r"small counts are not masked \(outputs\)"):
        finalise(bad, by=BY, profiles=PROFILES)


def test_an_altered_run_is_not_finalised(run):
    fill(run)
    sign_all(run)
    (run.path / "internal" / "run.json").write_text("{}")
    with pytest.raises(StoreError, match="not as it was written"):
        finalise(run, by=BY, profiles=PROFILES)


def test_the_command_line_goes_the_whole_way(run, tmp_path, capsys):
    path, profile = str(run.path), ["--profile", PROFILES[0]]
    assert main(["signoff", "status", path, *profile]) == 0
    told = capsys.readouterr().out
    blank = [line.split()[1] for line in told.splitlines() if line.startswith("blank:")]
    assert "unsigned: owner" in told
    assert "disparity 1: no owner" in told
    fields = tmp_path / "fields.toml"
    fields.write_text("".join(f'{name} = {{ not_available = "unknown" }}\n' for name in blank))
    assert main(["signoff", "declare", path, "--from", str(fields), "--by", BY]) == 0
    assert main(["signoff", "finalise", path, *profile, "--by", BY]) == 2
    for role in ROLES:
        args = ["--role", role, "--decision", "approve", "--by", role]
        assert main(["signoff", "attest", path, *args]) == 0
    key = tmp_path / "site.key"
    assert main(["signoff", "keygen", "--out", str(key)]) == 0
    assert main(["signoff", "finalise", path, *profile, "--key", str(key), "--by", BY]) == 0
    assert main(["verify", path, "--public-key", f"{key}.pub"]) == 0
    assert "the site's key" in capsys.readouterr().out
    other = tmp_path / "other.key"
    assert main(["signoff", "keygen", "--out", str(other)]) == 0
    assert main(["verify", path, "--public-key", f"{other}.pub"]) == 1
    assert "another key" in capsys.readouterr().out
    assert read_signoff(run.path).final
