"""`tidegate prices` writes a list that the gateway reads, and says in one sentence why it could not."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from tidegate.cli.commands.prices import prices
from tidegate.metering import price_list


def run(file: Path) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(prices)
    result = CliRunner().invoke(app, [str(file)])
    return result.exit_code, result.output.strip()


def test_a_list_is_written_that_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    packaged = price_list.load()

    assert run(file) == (0, f"{file} has the prices of {len(packaged.models)} models, from {packaged.source}.")
    assert price_list.load(file).models[: len(packaged.models)] == packaged.models


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    code, output = run(tmp_path / "none" / "prices.json")

    assert code != 0
    assert output == f"No price list was written: {tmp_path / 'none' / 'prices.json'}: No such file or directory."
