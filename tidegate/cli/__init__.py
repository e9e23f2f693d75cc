"""The command line: one command for each thing a person does."""

from tidegate.cli.main import main

__all__ = ["main"]
