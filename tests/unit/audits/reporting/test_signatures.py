"""Ed25519 signatures of exported files: they hold, or it is said that they do not."""

from __future__ import annotations

import json

import pytest

from audits.cli.failures import run_guarded as main
from audits.errors import StoreError
from audits.reporting.signoff.keys import check_file, make_key, write_signature

pytest.importorskip("cryptography")


@pytest.fixture
def key(tmp_path):
    make_key(tmp_path / "site.key")
    return tmp_path / "site.key"


@pytest.fixture
def signed(tmp_path, key):
    path = tmp_path / "tables.zip"
    path.write_bytes(b"contents of an export")
    path.with_name("tables.zip.sig").write_bytes(write_signature(path.read_bytes(), key))
    return path


def test_a_private_key_is_readable_by_its_owner_alone(key):
    assert key.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreError, match="cannot be written"):
        make_key(key)


def test_a_signature_holds_for_the_file_it_was_made_of(signed, key):
    found = check_file(signed, key.with_name("site.key.pub"))
    assert found.valid
    assert found.trusted
    assert main(["verify", str(signed)]) == 0


def test_every_flipped_byte_of_file_or_signature_is_found(signed):
    for path in (signed, signed.with_name("tables.zip.sig")):
        original = path.read_bytes()
        for at in range(len(original)):
            changed = bytearray(original)
            changed[at] ^= 1
            path.write_bytes(bytes(changed))
            assert not check_file(signed).valid, (path.name, at)
        path.write_bytes(original)
    assert check_file(signed).valid


def test_another_sites_key_is_not_trusted(signed, tmp_path, capsys):
    other = make_key(tmp_path / "other.key")
    assert check_file(signed, other).trusted is False
    assert main(["verify", str(signed), "--public-key", str(other)]) == 1
    assert "signed with another key" in capsys.readouterr().out


def test_an_exchanged_public_key_does_not_pass(signed, tmp_path):
    other = make_key(tmp_path / "other.key").with_name("other.key")
    beside = signed.with_name("tables.zip.sig")
    held = json.loads(beside.read_bytes())
    forged = json.loads(write_signature(b"contents of an export", other))
    beside.write_bytes(json.dumps({**held, "public_key": forged["public_key"]}).encode())
    assert not check_file(signed).valid


def test_an_unsigned_file_fails_where_a_key_is_asked_for(exact, tmp_path, key, capsys):
    from audits.reporting.pdf import report_pdf

    path = tmp_path / "report.pdf"
    path.write_bytes(report_pdf(exact))
    assert main(["verify", str(path)]) == 0
    assert main(["verify", str(path), "--public-key", f"{key}.pub"]) == 1
    assert "unsigned: report.pdf" in capsys.readouterr().out


def test_what_is_no_key_is_one_sentence(signed):
    with pytest.raises(StoreError, match="no public key"):
        check_file(signed, signed)
    with pytest.raises(StoreError, match="no private key"):
        write_signature(b"x", signed)
