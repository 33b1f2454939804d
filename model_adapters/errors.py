"""Errors that a person can act on: one sentence with what, where, what was found, what to do."""

from __future__ import annotations


class PackageError(Exception):
    """Base of every error Auscult raises on purpose.

    The message is shown to people as it stands, so it names files, columns and ids, never
    values of a patient's record.
    """


class AdapterError(PackageError):
    """A model folder that cannot be used, or a model that broke its promise."""


class UnsafeFormatError(AdapterError):
    """A weights file in a format that can run code when it is opened; it is never opened."""


class DeviceError(AdapterError):
    """A device was asked for that this machine does not have."""
