"""Start the dashboard: ``python -m dashboard`` (``auscult dashboard`` calls the same function).

Streamlit reads ``.streamlit/config.toml`` only from the working directory, the home or beside the
script. So the launcher reads ours (the repository's, or the copy in the wheel) and passes every
value itself: theme, address and manners hold from any directory.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dashboard import warming
from dashboard.settings import Settings, read_settings

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
EXAMPLE = """example:
  python -m dashboard --port 8601 --run runs/chest_xray --study sample_data/chest_xray
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the dashboard until it is stopped.

    Args:
        arguments: Command line without the program's name; ``sys.argv`` by default.

    Returns:
        0 after a normal end, 2 where it cannot start; the reason is one sentence on stderr.
    """
    args = _parser().parse_args(arguments)
    problem = _problem(args)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    if args.check_port:
        return 0
    found = read_settings()
    settings = Settings(
        store=(args.store or found.store).expanduser().absolute(),
        runs=_absolute(args.run) or found.runs,
        studies=_absolute(args.study) or found.studies,
        models=_absolute(args.model) or found.models,
    )
    serve(settings, port=args.port)
    return 0


def serve(settings: Settings, *, port: int) -> None:
    """Serve the app on ``port`` of this computer until it is interrupted."""
    os.environ.update(settings.environment())
    from streamlit import config
    from streamlit.web import bootstrap

    script = str(HERE / "app.py")
    options = flat_options(_config()) | {"server.port": port}
    if not _has_display():
        options["server.headless"] = True
    warming.before_first_page(lambda: _listens(port))
    config._main_script_path = script  # noqa: SLF001 - as `streamlit run` does, before loading
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run(script, False, [], options)  # noqa: FBT003 - positional in Streamlit's API


def flat_options(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested TOML table as dotted options.

    Example:
        >>> flat_options({"theme": {"light": {"primaryColor": "#000000"}}})
        {'theme.light.primaryColor': '#000000'}
    """
    options: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            options |= flat_options(value, f"{prefix}{name}.")
        else:
            options[f"{prefix}{name}"] = value
    return options


def port_is_free(port: int, address: str = ADDRESS) -> bool:
    """Return whether nothing listens on ``port``."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def _config() -> dict[str, Any]:
    shipped = HERE / "streamlit_config.toml"
    path = shipped if shipped.is_file() else HERE.parent / ".streamlit" / "config.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _has_display() -> bool:
    return sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _problem(args: argparse.Namespace) -> str | None:
    for option, folders, marker in (
        ("--run", args.run, "evidence.json"),
        ("--study", args.study, "study.toml"),
        ("--model", args.model, "model.toml"),
    ):
        for folder in folders:
            if not (folder.expanduser() / marker).is_file():
                return f"{option} {folder}: no {marker} in there; name a folder that holds one."
    if not port_is_free(args.port):
        return f"Port {args.port} on {ADDRESS} is in use; stop what uses it or choose --port."
    return None


def _absolute(folders: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(folder.expanduser().absolute() for folder in folders)


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:  # noqa: PLR2004 - range of TCP ports
        raise argparse.ArgumentTypeError(f"{text} is no port; choose one from 1 to 65535")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard",
        description="Look at audit runs in the browser.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_port, default=8501, help="port on this computer (default 8501)")
    add("--store", type=Path, help="store of runs (default AUSCULT_HOME or ~/.auscult)")
    for name, text in (
        ("--run", "show this run folder beside those of the store; repeatable"),
        ("--study", "offer this study folder for a new audit; repeatable"),
        ("--model", "offer this model folder for a new audit; repeatable"),
    ):
        add(name, type=Path, action="append", default=[], metavar="DIR", help=text)
    add("--check-port", action="store_true", help="only say whether the port is free, and exit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
