"""Keys and passwords turn under load, and no call notices; `make rotation` plays more of it."""

import pytest

from tests.benchmarks.shortest import MOST_SECONDS, play

pytestmark = pytest.mark.long


def test_no_call_fails_while_secrets_turn_and_neither_a_bad_nor_a_deleted_key_is_sent() -> None:
    short = ("--seconds", "32", "--stores", "14", "--refresh", "1.5", "--share", "0.2")
    ended = play("rotation", *short, "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in ended.stdout.splitlines() if "|" in line]
    seen = {row[0]: row[1] for row in rows[2:]}
    assert seen["key: old accounts deleted"] == "1"
    assert seen["key: calls on a deleted key"] == "0"
    assert seen["key: calls with the bad key"] == "0"
    assert len([name for name in seen if "failed of" in name]) == 6
