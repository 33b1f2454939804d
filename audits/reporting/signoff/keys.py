"""Ed25519 signatures with a key that the site owns (RFC 8032, by ``cryptography``)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audits.errors import AuditError, StoreError
from audits.storage.canonical import canonical_json, file_sha256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

ALGORITHM = "Ed25519"
_SHOWN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Whether a signature holds.

    Attributes:
        valid: Whether it was made over these bytes with the key it names.
        fingerprint: First digits of the sha256 of that public key.
        trusted: Whether that key is the one given; None where none was given.
    """

    valid: bool
    fingerprint: str
    trusted: bool | None = None


def make_key(path: Path) -> Path:
    """Write a new private key (PEM, readable by its owner alone) and its public half beside it.

    Returns:
        The file of the public key, ``<path>.pub``.

    Raises:
        StoreError: A file is there already or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form

    key = _ed25519().Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.name}.pub")
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    for target, data, mode in ((path, secret, 0o600), (public, shown, 0o644)):
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise StoreError(
                f"{target}: cannot be written ({error.strerror}); choose another --out."
            ) from error
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
    return public


def sign(said: Mapping[str, Any], key: Path) -> dict[str, str]:
    """Return the signature over the canonical JSON of ``said``.

    Raises:
        StoreError: The key cannot be read.
    """
    private = _private(key)
    public = _raw(private.public_key())
    return {
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(public).decode(),
        "signature": base64.b64encode(private.sign(canonical_json(said))).decode(),
    }


def check_signature(
    said: Mapping[str, Any], signature: Mapping[str, Any], trusted: Path | None = None
) -> Signature:
    """Check a signature over the canonical JSON of ``said``.

    Args:
        said: What was signed.
        signature: ``algorithm``, ``public_key`` and ``signature``.
        trusted: The site's public key (PEM); without it only the named key is checked.

    Raises:
        StoreError: The trusted key cannot be read.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        public, made = _bytes(signature["public_key"]), _bytes(signature["signature"])
        _ed25519().Ed25519PublicKey.from_public_bytes(public).verify(made, canonical_json(said))
        valid = signature.get("algorithm") == ALGORITHM
    except (KeyError, ValueError, InvalidSignature):
        return Signature(valid=False, fingerprint="unknown", trusted=None)
    print_ = hashlib.sha256(public).hexdigest()[:_SHOWN]
    known = None if trusted is None else _raw(_public(trusted)) == public
    return Signature(valid=valid, fingerprint=print_, trusted=known)


def _bytes(text: object) -> bytes:
    """Return the bytes of a base64 text; spare bits that say nothing must be zero."""
    found = base64.b64decode(str(text), validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError(text)
    return found


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise AuditError(
            "signing: needs the package cryptography; install it with "
            "`pip install 'auscult[sign]'`."
        ) from error
    return ed25519


def _private(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            f"{path}: no private key can be read from it; make one with `auscult signoff keygen`."
        ) from error
    if not isinstance(key, _ed25519().Ed25519PrivateKey):
        raise StoreError(
            f"{path}: expected an Ed25519 key; make one with `auscult signoff keygen`."
        )
    found: Ed25519PrivateKey = key
    return found


def _public(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path}: no public key can be read from it; name the .pub file of the site's key."
        ) from error
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise StoreError(f"{path}: expected an Ed25519 key, found another kind; check the file.")
    found: Ed25519PublicKey = key
    return found


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def write_signature(data: bytes, key: Path) -> bytes:
    """Return the contents of ``<file>.sig``: the sha256 of a file and the site's signature."""
    said = {"sha256": hashlib.sha256(data).hexdigest()}
    return canonical_json({**said, **sign(said, key)})


def check_file(path: Path, trusted: Path | None = None) -> Signature | None:
    """Check ``<path>.sig``; None where there is none.

    Raises:
        StoreError: The trusted key cannot be read.
    """
    beside = path.with_name(f"{path.name}.sig")
    if not beside.is_file():
        return None
    data = beside.read_bytes()
    try:
        held = json.loads(data)
        whole = canonical_json(held) == data
        claimed = str(held["sha256"])
    except (ValueError, KeyError, TypeError):
        return Signature(valid=False, fingerprint="unknown")
    found = check_signature({"sha256": claimed}, held, trusted)
    return replace(found, valid=found.valid and whole and claimed == file_sha256(path))
