"""The command line."""

from divulge.cli.app import main

__all__ = ["main"]
