"""The desk prints what callers named without obeying it, and says when a change acts."""

import json

import pytest
import typer

from tidegate.cli.desk import acts, failed, print_json, print_table
from tidegate.web.admin_shapes import LimitsShape


def test_a_table_is_never_cut_nor_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"who": True, "what": False}, [("[red]\x1b[31mmallory", "x" * 150)])
    printed = capsys.readouterr().out
    assert "[red]\N{REPLACEMENT CHARACTER}[31mmallory" in printed
    assert "x" * 150 in printed


def test_json_is_one_object_or_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    one = LimitsShape(rpm=5)
    print_json(one)
    print_json([one, one])
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [first, first] == second
    assert first["rpm"] == 5


def test_a_failure_is_told_on_the_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left:
        raise failed("It cannot be.")
    assert (left.value.exit_code, capsys.readouterr().err) == (1, "It cannot be.\n")


@pytest.mark.parametrize(("announced", "when"), [(True, "within a second"), (False, "within 60 s")])
def test_when_a_change_acts_is_known(announced: bool, when: str) -> None:
    assert acts(announced).startswith(when)
