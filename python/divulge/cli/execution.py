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


def run_app(app: typer.Typer, arguments: list[str] | None) -> Any:
    """Run the command line; whatever goes wrong becomes one sentence on standard error and an exit code."""
    try:
        return app(arguments, standalone_mode=False)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # a wrong option or argument
        if usage is not None:
            return fail(usage(), FAILED)
        from divulge.errors import DivulgeError

        if isinstance(error, (DivulgeError, ValueError, OSError)):
            return fail(str(error), FAILED)
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("divulge"):  # an extra
            return fail(f"this needs the package {error.name}, which is not installed", FAILED)
        raise
