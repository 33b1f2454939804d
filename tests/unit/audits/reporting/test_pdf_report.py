"""The PDF: valid claims, its evidence inside, its own digest, the same bytes every time."""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess

import pytest

from audits.cli.failures import run_guarded as main
from audits.errors import StoreError
from audits.reporting.digest import is_intact, verify_export
from audits.reporting.pdf import report_pdf
from audits.reporting.sections import SECTIONS
from audits.reporting.tables import evidence_tables
from audits.storage import canonical_json

pikepdf = pytest.importorskip("pikepdf")


@pytest.fixture
def pdf(exact_pdf):
    return exact_pdf


@pytest.fixture(scope="module")
def opened(exact_pdf):
    with pikepdf.open(io.BytesIO(exact_pdf)) as document:
        yield document


def text_of(pdf, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-enc", "UTF-8", str(path), "-"], capture_output=True, check=True
    )
    return done.stdout.decode()


def test_the_same_evidence_gives_the_same_bytes(exact, pdf):
    assert report_pdf(json.loads(canonical_json(exact))) == pdf


def test_it_claims_pdf_a_3a_and_ua_1_and_is_tagged(opened):
    with opened.open_metadata() as metadata:
        assert metadata["pdfaid:part"] == "3"
        assert metadata["pdfaid:conformance"] == "A"
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"]
    assert opened.Root.MarkInfo.Marked
    assert str(opened.Root.Lang) == "en"


def test_its_time_is_that_of_the_run(exact, opened):
    with opened.open_metadata() as metadata:
        assert metadata["xmp:CreateDate"][:19] == exact["run"]["created"][:19]


def test_every_figure_has_alternative_text(opened):
    alts = []

    def walk(node):
        if not isinstance(node, pikepdf.Dictionary):
            return
        if node.get("/S") == "/Figure":
            alts.append(str(node.get("/Alt", "")))
        kids = node.get("/K")
        for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
            walk(kid)

    walk(opened.Root.StructTreeRoot)
    assert len(alts) > 3
    assert all(alts)


def test_the_attached_evidence_is_the_evidence(exact, opened):
    attached = {n: a.get_file().read_bytes() for n, a in opened.attachments.items()}
    assert attached["evidence.json"] == canonical_json(exact)
    for table in evidence_tables(exact, estimates=False):
        assert attached[f"{table.name}.csv"].decode() == table.to_csv()


def test_it_has_contents_and_every_section(pdf, tmp_path):
    text = text_of(pdf, tmp_path)
    for section in SECTIONS[1:]:
        assert section.title in text
    assert "Contents" in text
    assert "1 of" in text


def test_a_flipped_byte_anywhere_is_found(pdf, tmp_path):
    rng = random.Random(5)
    assert is_intact(pdf)
    for at in [0, len(pdf) - 1, *rng.sample(range(len(pdf)), 60)]:
        changed = bytearray(pdf)
        changed[at] ^= 1
        assert not is_intact(bytes(changed)), at


def test_verify_names_an_altered_pdf(pdf, tmp_path, capsys):
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    assert verify_export(path).intact
    assert main(["verify", str(path)]) == 0
    path.write_bytes(pdf[:-20] + b"x" + pdf[-19:])
    assert main(["verify", str(path)]) == 1
    assert "altered: report.pdf" in capsys.readouterr().out


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 made by others")
    with pytest.raises(StoreError, match="no digest"):
        verify_export(path)


def test_markup_in_the_data_is_only_text(exact, tmp_path):
    evidence = json.loads(canonical_json(exact))
    evidence["study"]["name"] = '#panic("x") $x$ <script> *bold*'
    assert '#panic("x") $x$ <script> *bold*' in text_of(report_pdf(evidence), tmp_path)
