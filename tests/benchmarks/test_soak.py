"""A soak goes in pieces through one gateway, and a piece without a gateway says so."""

from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks.processes import BenchmarkError
from benchmarks.soak import Held, Reading
from benchmarks.target import Target

QUIET = Reading(resident_bytes=100_000_000, files=20, connections=0, threads=5)
TARGET = Target(url="http://127.0.0.1:1/v1/chat/completions", key="sk-tg-test", model="gpt-4o-mini")


class FakeSoak(soak.Soak):
    """Makes no call; its gateway has grown by a megabyte."""

    async def run(self) -> tuple[Reading, Reading]:
        return QUIET, Reading(resident_bytes=101_000_000, files=20, connections=0, threads=5)


def test_pieces_go_on_where_the_last_one_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "STATE", tmp_path / "soak.json")
    monkeypatch.setattr(soak, "Soak", FakeSoak)
    soak.write_state(Held(pid=1, target=TARGET))

    assert soak.make_piece(300_000) == 0
    assert soak.make_piece(700_000) == 0

    assert "1,000,000 calls, RSS grew by 1.0 MB, nothing left over" in capsys.readouterr().out
    assert soak.read_state() == Held(pid=1, target=TARGET, calls=1_000_000, warm=QUIET)


def test_a_piece_without_a_gateway_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "STATE", tmp_path / "soak.json")
    with pytest.raises(BenchmarkError, match="No gateway is kept"):
        soak.make_piece(1)
