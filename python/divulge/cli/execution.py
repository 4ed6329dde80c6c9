"""Running a command, and its exit codes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer

# Exit codes: a wrong argument or an incomplete result, and Ctrl-C as shells report it.
FAILED = 2
INTERRUPTED = 130


def execute(command: str, options: dict[str, Any]) -> None:
    """Run the command of the module divulge.cli.COMMAND with its options, and exit with its code."""
    try:
        module = import_module(f"divulge.cli.{command}")
        code = module.run(module.Options(**options))
    except KeyboardInterrupt:
        code = fail("interrupted", INTERRUPTED)
    raise typer.Exit(code)


def fail(message: str, code: int) -> int:
    """Print one sentence on standard error and return the exit code."""
    typer.echo(f"divulge: {' '.join(message.split())}", err=True)
    return code
