"""The page of all commands, written from the commands themselves: `make reference`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from tidegate.cli.application import application

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

_HEAD = """# Commands

`make reference` writes this page from the commands' own help. Every command also has `--help`.
"""


def cli_page() -> str:
    """Return the page: a section for each command, a row for each argument and option."""
    command = get_command(application())
    return "\n".join([_HEAD, *_sections("tidegate", command)]).rstrip() + "\n"


def _sections(name: str, command: Any) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is not None:
        for child_name, child in below.items():
            yield from _sections(f"{name} {child_name}", child)
        return
    yield f"## {name}\n"
    yield f"{(command.help or '').strip()}\n"
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        yield "| option | value | default | |"
        yield "|---|---|---|---|"
        yield from rows
        yield ""


def _row(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    names = ", ".join(f"`{name}`" for name in parameter.opts) if option else f"`{parameter.metavar or parameter.name}`"
    flag = getattr(parameter, "is_flag", False)
    value = "" if flag or not option else f"`{_value(parameter)}`"
    default = "required" if parameter.required else _default(parameter)
    text = " ".join((parameter.help or "").split()).replace("|", "\\|")
    return f"| {names} | {value} | {default} | {text} |"


def _value(parameter: Any) -> str:
    text = parameter.metavar or parameter.display_type(typer.Context(get_command(application())))
    return str(text).strip("<>").removesuffix(" range").replace("|", "\\|")


def _default(parameter: Any) -> str:
    default = parameter.default
    if default is None or default is False or default in ("", ()):
        return ""
    return f"`{getattr(default, 'value', default)}`"


if __name__ == "__main__":
    PAGE.write_text(cli_page())
