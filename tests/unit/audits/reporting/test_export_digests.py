"""Every export says by itself whether a byte of it was altered."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import zipfile

import openpyxl
import pytest

from audits.cli.failures import run_guarded as main
from audits.errors import StoreError
from audits.reporting.case.told import ToldCase
from audits.reporting.digest import (
    PREFIX,
    SUMS,
    is_intact,
    sums_of,
    verify_export,
    verify_folder,
    with_digest,
)
from audits.reporting.export import FORMATS
from audits.reporting.fhir import case_bundle
from audits.reporting.signoff import DRAFT
from audits.storage import canonical_json

FLIPS = 40


def fhir(evidence):
    (output,) = evidence["outputs"]
    told = ToldCase(
        run={
            "id": evidence["run"]["id"],
            "created": evidence["run"]["created"],
            "release": "internal",
            "evidence_sha256": "0" * 64,
            "study": evidence["study"],
        },
        case="case-1",
        model=None,
        output=output,
        score={"logit": 0.1, "probability": 0.4, "value": None},
        threshold=0.5,
        levels={},
        groups=(),
        explanation=None,
        folder=None,
    )
    return with_digest(canonical_json(case_bundle(told)))


@pytest.fixture(scope="module")
def artefacts(restricted):
    made = {form: make(restricted, DRAFT) for form, make in FORMATS.items()}
    return {**made, "fhir": fhir(restricted)}


@pytest.mark.parametrize("form", [*FORMATS, "fhir"])
def test_any_flipped_byte_of_any_artefact_is_found(artefacts, form):
    data = artefacts[form]
    assert is_intact(data)
    at = data.index(PREFIX.encode())
    inside = range(at, at + len(PREFIX) + 64)
    rng = random.Random(form)
    for place in [0, len(data) - 1, *inside, *rng.sample(range(len(data)), FLIPS)]:
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        assert not is_intact(bytes(changed)), place


@pytest.mark.parametrize("form", [*FORMATS, "fhir"])
def test_a_byte_more_or_less_is_found(artefacts, form):
    data = artefacts[form]
    for changed in (data[:-1], data + b"\n", data[: len(data) // 2] + data[len(data) // 2 + 1 :]):
        assert not is_intact(changed)


def test_the_command_names_what_was_altered(artefacts, tmp_path, capsys):
    for form, data in artefacts.items():
        path = tmp_path / f"export.{form}"
        path.write_bytes(data)
        assert main(["verify", str(path)]) == 0
        path.write_bytes(data.replace(b"e", b"f", 1))
        assert main(["verify", str(path)]) == 1
        assert f"altered: export.{form}" in capsys.readouterr().out


def test_archives_open_with_their_comment(artefacts):
    assert zipfile.ZipFile(io.BytesIO(artefacts["csv"])).testzip() is None
    assert openpyxl.load_workbook(io.BytesIO(artefacts["xlsx"])).sheetnames[0] == "Cover"


def test_a_file_of_others_is_one_sentence(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of ours")
    with pytest.raises(StoreError, match="carries no digest"):
        verify_export(path)


def test_a_folder_lists_its_files(tmp_path, capsys):
    for name in ("a.dcm", "b.dcm"):
        (tmp_path / name).write_bytes(name.encode() * 20)
    (tmp_path / SUMS).write_text(sums_of(tmp_path))
    assert verify_folder(tmp_path).intact
    assert main(["verify", str(tmp_path)]) == 0
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", SUMS], cwd=tmp_path, check=True, capture_output=True)
    rng = random.Random(3)
    for path in sorted(tmp_path.iterdir()):
        data = path.read_bytes()
        for place in rng.sample(range(len(data)), 25):
            changed = bytearray(data)
            changed[place] ^= 1 << rng.randrange(8)
            path.write_bytes(bytes(changed))
            assert not verify_folder(tmp_path).intact, (path.name, place)
        path.write_bytes(data)
    (tmp_path / "c.dcm").write_bytes(b"new")
    assert verify_folder(tmp_path).added == ("c.dcm",)
    (tmp_path / "a.dcm").unlink()
    assert main(["verify", str(tmp_path)]) == 1
    assert "missing: a.dcm" in capsys.readouterr().out
