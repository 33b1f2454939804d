"""What holds for every test: the same draws on every run, and nobody's own folders touched."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# Without the clock (a slow machine is no failing property), and the same examples on every run.
settings.register_profile(
    "auscult",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("auscult")


@pytest.fixture(scope="session", autouse=True)
def _own_store(tmp_path_factory):
    """Keep runs of tests that name no store out of the store of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUSCULT_HOME", str(tmp_path_factory.mktemp("nobody") / "store"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut():
    """Write without waiting for the disk, which took longer than most small audits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Start PyTorch's draws anew for each test: they must not depend on the tests before it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
