"""Starting the app: one sentence where it cannot start, settings that travel."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dashboard.__main__ import _config, flat_options, main
from dashboard.settings import Settings, read_settings


def test_a_port_in_use_is_one_sentence_and_exit_2(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--check-port"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert str(port) in lines[0]


def test_a_free_port_is_exit_0():
    # Somebody else may take one of them between these lines, hardly every one of five.
    assert 0 in [main(["--port", str(_unused()), "--check-port"]) for _ in range(5)]


def _unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("option", ["--run", "--study", "--model"])
def test_a_folder_without_its_file_is_one_sentence_and_exit_2(option, tmp_path, capsys):
    assert main([option, str(tmp_path), "--check-port"]) == 2
    assert option in capsys.readouterr().err


def test_settings_survive_the_environment():
    settings = Settings(
        store=Path("/store"), runs=(Path("/a b/run"), Path("/run2")), studies=(Path("/s"),)
    )
    assert read_settings(settings.environment()) == settings


def test_the_app_keeps_to_itself():
    options = flat_options(_config())
    assert options["server.address"] == "127.0.0.1"
    assert options["browser.gatherUsageStats"] is False
    assert options["client.showErrorDetails"] == "none"
    assert options["client.disableDataExport"] is True


def test_the_browser_keeps_what_the_last_cases_sent():
    from streamlit import config

    option = "global.maxCachedMessageAge"  # hidden in Streamlit: it must still be there
    assert flat_options(_config())[option] > config._config_options_template[option].default_val
