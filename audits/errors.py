"""Errors of the audits package, all under one base so that callers catch them in one place."""

from __future__ import annotations

from model_adapters.errors import PackageError


class AuditError(PackageError):
    """Input of an audit that cannot be used as it stands."""


class StudyError(AuditError):
    """A study folder, table or column that cannot be read as declared."""


class PolicyError(AuditError):
    """A policy file that does not say what it must."""


class ExplanationError(AuditError):
    """An explanation that cannot be computed for this model and case."""


class StoreError(PackageError):
    """A run folder or store that is missing, taken or altered."""


__all__ = [
    "AuditError",
    "ExplanationError",
    "PackageError",
    "PolicyError",
    "StoreError",
    "StudyError",
]
