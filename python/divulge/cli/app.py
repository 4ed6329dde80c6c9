"""The command line: every command is entered here. What it does is imported when it runs: --help is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from divulge import __version__
from divulge.cli.commands import belief, explanations, leaks
from divulge.cli.execution import execute, run_app
from divulge.cli.options import JsonOption

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Measure what a model's explanations give away."""
    if version:
        typer.echo(f"divulge {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit()


def doctor(as_json: JsonOption = False) -> None:
    """Say what this installation is and whether it works: versions, back ends, threads, data, a self-test."""
    execute("doctor", locals())


# As --help lists them.
for command in (
    leaks.reconstruct,
    explanations.influence,
    explanations.mislabels,
    belief.blockmnist,
    belief.diffroar,
    leaks.sweep,
    belief.saliency,
    belief.backdoor,
    leaks.steal,
    leaks.report,
    explanations.additive,
    explanations.counterfactuals,
    explanations.trees,
    leaks.bits,
    explanations.prototypes,
    doctor,
):
    app.command()(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_app(app, arguments))
