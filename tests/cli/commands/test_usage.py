"""`tidegate usage` shows exact amounts, reports pending entries, and strips control characters from names."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from tests.metering.ledger_parts import entry
from tidegate.cli.call_options import parse_time
from tidegate.cli.commands.usage import fit_table, usage
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.metering.reports.usage_report import UsageRow
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

NOW = 1_790_100_000.0
Run = Callable[..., Result]


@pytest.fixture
async def booked(postgres: Postgres) -> None:
    calls = [
        entry(1, at=NOW, cost_nanos=210_001, input_tokens=1_234_567),
        entry(2, at=NOW, cost_nanos=0, saved_nanos=5, cache="hit", end_user="[red]\x1b[31mmallory"),
        entry(3, at=NOW - 90_000, cost_nanos=3_000_000_000, project="other", outcome="upstream_timeout", model="gpt-5"),
    ]
    await LedgerStore(postgres).write([encode(call) for call in calls])


@pytest.fixture
def run(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> Run:
    app = typer.Typer()
    app.command()(usage)
    environment = {
        "TIDEGATE_DATABASE_URL": clean_stores.database_url,
        "TIDEGATE_REDIS_URL": clean_stores.redis_url,
        "TIDEGATE_REDIS__PREFIX": redis_prefix,
        "TIDEGATE_METERING__SPOOL_DIR": str(tmp_path),
    }

    def run(*arguments: str, **changes: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=environment | changes)

    return run


@pytest.mark.usefixtures("booked")
def test_json_has_whole_nanos_and_exact_dollars(run: Run) -> None:
    found = json.loads(run("--by", "model", "--since", "2026-01-01", "--until", "2027-01-01", "--json").output)

    rows = [(row["group"], row["calls"], row["cost_nanos"], row["cost_usd"]) for row in found["rows"]]
    assert rows == [("gpt-5", 1, 3_000_000_000, "3.00"), ("gpt-4o-mini", 2, 210_001, "0.000210001")]
    assert (found["total"]["cost_usd"], found["total"]["saved_usd"]) == ("3.000210001", "0.000000005")
    assert (found["since"], found["until"]) == ("2026-01-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00")
    assert (found["pending"], found["rejected"]) == ({"stream": 0, "spool": 0}, 0)


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize(
    ("arguments", "shown", "hidden"),
    [
        (["--by", "day"], ["2026-09-21", "2026-09-22", "1,234,577", "3.000210001"], []),
        (["--by", "project", "--project", "acme"], ["acme", "0.000210001"], ["other"]),
        (["--by", "day", "--until", "2026-09-22"], ["2026-09-21", "3.00"], ["2026-09-22"]),
        (["--by", "user"], ["ada", "[red]\ufffd[31mmallory"], ["\x1b"]),
    ],
)
def test_the_table_shows(run: Run, arguments: list[str], shown: list[str], hidden: list[str]) -> None:
    result = run("--since", "2026-01-01", *arguments)

    assert result.exit_code == 0
    assert [text for text in shown if text not in result.output] == []
    assert [text for text in hidden if text in result.output] == []


async def _leave_pending(link: RedisLink, prefix: str, folder: Path) -> None:
    stream = LedgerStream(link, prefix)
    for number in range(3):
        await stream.append(encode(entry(number)))
    spool = Spool(folder)
    spool.write(encode(entry(4)))
    spool.close_file()


@pytest.fixture
async def pending(redis_link: RedisLink, redis_prefix: str, tmp_path: Path, postgres: Postgres) -> None:
    await _leave_pending(redis_link, redis_prefix, tmp_path)
    await LedgerStore(postgres).write([b"nonsense"])


@pytest.mark.usefixtures("pending")
def test_it_reports_pending_and_rejected_entries(run: Run) -> None:
    output = run().output

    assert "4 more requests are not in this report yet (1 of them on disk)." in output
    assert "1 entries were rejected" in output


@pytest.mark.usefixtures("booked")
def test_without_redis_it_says_that_it_does_not_know(run: Run) -> None:
    result = run(TIDEGATE_REDIS_URL="redis://127.0.0.1:1/0")

    assert result.exit_code == 0
    assert "Redis did not answer" in result.output


def test_without_postgresql_it_is_one_sentence_and_exit_code_75(run: Run) -> None:
    result = run(TIDEGATE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")

    assert result.exit_code == 75
    assert "PostgreSQL" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", NOW - 7 * 86_400),
        ("45m", NOW - 45 * 60),
        ("2026-09-22", datetime(2026, 9, 22, tzinfo=UTC).timestamp()),
        ("2026-09-22T10:00:00+02:00", datetime(2026, 9, 22, 8, tzinfo=UTC).timestamp()),
    ],
)
def test_a_time_is_a_span_ago_or_a_date(text: str, seconds: float) -> None:
    assert parse_time(text, NOW) == seconds


def test_a_date_without_a_zone_is_one_of_the_teams() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_time("2026-10-25", NOW, berlin) == datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()
    assert parse_time("2026-10-26", NOW, berlin) == datetime(2026, 10, 25, 23, tzinfo=UTC).timestamp()
    assert parse_time("2026-10-26T00:00Z", NOW, berlin) == datetime(2026, 10, 26, tzinfo=UTC).timestamp()
    assert parse_time("7d", NOW, berlin) == NOW - 7 * 86_400


@pytest.mark.parametrize("text", ["", "tomorrow", "7", "7y", "2026-13-01", "9" * 400])
def test_any_other_time_is_an_error(text: Any) -> None:
    with pytest.raises(typer.BadParameter, match="neither a time span"):
        parse_time(text, NOW)


@pytest.mark.parametrize(("written", "fee_nanos"), [(0, 0), (7, 0), (0, 7)])
def test_written_tokens_and_fees_are_shown_where_there_are_some(written: int, fee_nanos: int) -> None:
    rows = [
        UsageRow(group="2026-09-21", groups=("2026-09-21",), calls=3, cache_write_tokens=written, fee_nanos=fee_nanos)
    ]

    table, _ = fit_table(Console(width=400, file=io.StringIO()), "day", rows)

    titles = [column.header for column in table.columns]
    assert ("written" in titles, "fees USD" in titles) == (written > 0, fee_nanos > 0)


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(400, 0), (110, 1), (100, 2), (80, 4), (60, 6), (10, 6)],
)
def test_a_narrow_terminal_shows_fewer_columns_but_no_cut_figure(width: int, left_out: int) -> None:
    screen = Console(width=width, file=io.StringIO())
    rows = [
        UsageRow(group="2026-09-21", groups=("2026-09-21",), calls=3, input_tokens=1_234_577, cost_nanos=3_000_210_001)
    ]

    table, missing = fit_table(screen, "day", rows)

    assert len(missing) == left_out
    with screen.capture() as shown:
        screen.print(table)
    assert ("3.000210001" in shown.get()) == (width >= 60)
    assert "…" not in shown.get() or width < 60


def test_an_unknown_grouping_names_the_known_ones(run: Run) -> None:
    result = run("--by", "moon")

    assert result.exit_code == 2
    assert "project" in result.output


@pytest.fixture
async def tagged(postgres: Postgres) -> None:
    calls = [
        entry(1, at=NOW, cost_nanos=3, tags={"feature": "search", "tenant": "acme"}),
        entry(2, at=NOW, cost_nanos=2, tags={"feature": "chat", "tenant": "acme"}),
        entry(3, at=NOW, cost_nanos=2, tags={"feature": "chat"}),
    ]
    await LedgerStore(postgres).write([encode(call) for call in calls])


@pytest.mark.usefixtures("tagged")
@pytest.mark.parametrize(
    ("options", "tags", "groups"),
    [
        ((), [], [("chat", 2), ("search", 1)]),
        (("--tag", "tenant=acme", "--tag", "feature=chat"), ["tenant=acme", "feature=chat"], [("chat", 1)]),
    ],
)
def test_usage_is_grouped_and_filtered_by_tags(
    run: Run, options: tuple[str, ...], tags: list[str], groups: list[tuple[str, int]]
) -> None:
    period = ("--since", "2026-01-01", "--until", "2027-01-01", "--json")
    found = json.loads(run("--by", "tag:feature", *options, *period).output)
    assert (found["by"], found["tags"]) == ("tag:feature", tags)
    assert [(row["group"], row["calls"]) for row in found["rows"]] == groups


@pytest.mark.parametrize("options", [("--by", "colour"), ("--tag", "tenant")])
def test_a_wrong_grouping_or_tag_is_told(run: Run, options: tuple[str, ...]) -> None:
    result = run(*options)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
