"""`tidegate alerts` shows, tests and mutes the three alerts."""

import json

import pytest

from tests.cli.conftest import Tidegate

NAMES = [["slow"], ["errors"], ["cost"]]


def test_the_three_alerts_are_a_table(tidegate: Tidegate) -> None:
    shown = tidegate("alerts", "show")
    assert shown.exit_code == 0, shown.output
    rows = [words for line in shown.output.splitlines() if (words := line.split())[:1] in NAMES]
    assert rows == [[name, "well", "-", "-", "-"] for name in ("slow", "errors", "cost")]
    assert "Channels: none; alerts are log lines only." in shown.output


def test_one_that_is_turned_off_is_shown_as_off(tidegate: Tidegate) -> None:
    shown = tidegate("alerts", "show", TIDEGATE_ALERTS__ENABLED='["slow"]')
    rows = [words for line in shown.output.splitlines() if (words := line.split())[:1] in NAMES]
    assert [row[1] for row in rows] == ["well", "off", "off"]


def test_muting_is_shown_and_ended(tidegate: Tidegate) -> None:
    assert tidegate("alerts", "mute", "1h").output.startswith("No alert is sent for 1h.")
    assert "Muted until 20" in tidegate("alerts", "show").output
    assert json.loads(tidegate("alerts", "show", "--json").output)["muted_until"] is not None
    assert tidegate("alerts", "unmute").exit_code == 0
    assert json.loads(tidegate("alerts", "show", "--json").output)["muted_until"] is None


@pytest.mark.parametrize("duration", ["an hour", "60d"])
def test_a_duration_that_is_none_is_refused(tidegate: Tidegate, duration: str) -> None:
    assert tidegate("alerts", "mute", duration).exit_code == 2


def test_a_test_without_channel_says_what_to_set(tidegate: Tidegate) -> None:
    tested = tidegate("alerts", "test")
    assert (tested.exit_code, "alerts.webhook_url" in tested.stderr) == (1, True)
