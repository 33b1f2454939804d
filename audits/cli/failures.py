"""How a command ends: never with a traceback."""

from __future__ import annotations

import os
import secrets
import sys
import traceback
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from audits.errors import PackageError, StoreError
from audits.storage.interrupt import Terminated, termination_unwinds

BAD_INPUT = 2
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
TERMINATED = 143


def run_guarded(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; every failure becomes one sentence on stderr."""
    from audits.cli.commands import auscult

    if not sys.warnoptions:
        # Findings carry what a reader must know; libraries' warnings are for developers.
        warnings.simplefilter("ignore")
    try:
        with termination_unwinds():
            code = auscult.main(args=args, prog_name="auscult", standalone_mode=False)
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        return _ended_by(error)
    return code if isinstance(code, int) else 0


def _ended_by(error: BaseException) -> int:
    """Say in one sentence why a command failed, and return its exit code."""
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__  # click wraps interrupts
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message())
            code = BAD_INPUT
        case click.ClickException():
            code = _say(_usage(error), BAD_INPUT)
        case PackageError():
            code = _say(str(error), BAD_INPUT)
        case Terminated():
            code = _say("Ended on request; nothing was written.", TERMINATED)
        case KeyboardInterrupt() | click.Abort():
            code = _say("Interrupted; nothing was written.", INTERRUPTED)
        case BrokenPipeError():
            # The reader of our output went away (`| head`); Python must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        case _:
            code = _say(_recorded(error), INTERNAL_ERROR)
    return code


def _say(message: str, code: int) -> int:
    click.echo(" ".join(message.split()), err=True)
    return code


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "auscult"
    return f"{message[:1].upper()}{message[1:]}; see `{command} --help`."


def _recorded(error: BaseException) -> str:
    """Write the traceback to the store's logs and return the sentence that names it."""
    from audits.storage import Store

    number = secrets.token_hex(4)
    trace = "".join(traceback.format_exception(error))
    text = f"{datetime.now(UTC).isoformat()} {number}\n{trace}"
    try:
        log = Store(_named_store()).logs / f"error-{number}.log"
        log.write_text(text, encoding="utf-8")
    except (OSError, StoreError):
        return f"Auscult failed unexpectedly (error {number}); its log could not be written."
    return f"Auscult failed unexpectedly (error {number}); please report it with {log}."


def _named_store() -> str | None:
    """Return the store of the command line, whatever command failed."""
    arguments = sys.argv
    for at, argument in enumerate(arguments):
        if argument.startswith("--store="):
            return argument.removeprefix("--store=")
        if argument == "--store" and at + 1 < len(arguments):
            return arguments[at + 1]
    return None
