"""The desk prints what callers named without obeying it, and says when a change acts."""

import json
import os
import re
import sys

import pytest
import typer

from tidegate.cli.context import command_error, print_json, print_table, propagation_time
from tidegate.web.admin.schemas import LimitsSchema


def test_a_table_is_never_cut_nor_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"who": True, "what": False}, [("[red]\x1b[31mmallory", "x" * 150)])
    printed = capsys.readouterr().out
    assert "[red]\N{REPLACEMENT CHARACTER}[31mmallory" in printed
    assert "x" * 150 in printed


def terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """What is printed goes to a terminal so wide."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(os.environ, "COLUMNS", str(columns))


@pytest.mark.parametrize(("columns", "in_lines"), [(60, True), (120, False)])
def test_where_a_table_has_no_room_each_row_has_lines_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, in_lines: bool
) -> None:  # a case
    terminal(monkeypatch, columns)
    key, words = "key_" + "0" * 32, "said at some length, and then some more of it " * 3
    print_table({"id": False, "state": False, "words": True}, [(key, "active until 2026-12-24", words)] * 2)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= columns
    assert sum(key in line for line in lines) == 2
    assert (f"id     {key}" in [line.rstrip() for line in lines]) is in_lines
    assert sum("active until 2026-12-24" in line for line in lines) == 2


def test_json_is_one_object_or_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    one = LimitsSchema(rpm=5)
    print_json(one)
    print_json([one, one])
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [first, first] == second
    assert first["rpm"] == 5


def test_a_failure_is_told_on_the_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left:
        raise command_error("It cannot be.")
    assert (left.value.exit_code, capsys.readouterr().err) == (1, "It cannot be.\n")


@pytest.mark.parametrize(("announced", "when"), [(True, "within a second"), (False, "within 60 s")])
def test_when_a_change_acts_is_known(announced: bool, when: str) -> None:
    assert propagation_time(announced).startswith(when)
