"""The benchmark of the dashboard, in its shortest form: it fills a ledger, opens the page and prints its figures."""

import pytest

from tests.benchmarks.shortest import play


@pytest.mark.long
def test_it_opens_the_page_on_a_ledger_that_it_filled() -> None:
    done = play("dashboard", "--entries", "2000", "--conversations", "50", "--seconds", "1")
    assert "2,000 ledger entries, summed after" in done.stdout, done.stderr
    for shown in ("1h", "24h", "7d", "30d"):
        assert f"first view of {shown}:" in done.stdout
    assert "conversations, the newest: 20 rows" in done.stdout
    assert "a search for a word of all messages: 5 rows" in done.stdout
    assert "10 open pages:" in done.stdout
