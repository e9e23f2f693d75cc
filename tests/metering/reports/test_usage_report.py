"""Sums are exact, days are UTC, and a report covers its own period and project only."""

from typing import Any

import pytest

from tests.metering.ledger_parts import entry
from tidegate.core.errors import ApiKeyNotFound, InvalidParameter, ProjectNotFound
from tidegate.core.tags import parse_tag
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.reports.call_filter import CallFilter
from tidegate.metering.reports.usage_report import GroupBy, Grouping, UsageReports, UsageRow, total, usd
from tidegate.storage.postgres import Postgres

MIDNIGHT = 1_790_035_200.0
"""2026-09-22 00:00:00 UTC."""

SEARCH, CHAT = {"feature": "search"}, {"feature": "chat"}
CALLS = [
    entry(1, at=MIDNIGHT - 1, cost_nanos=1, model="a", key_id="key_1"),
    entry(2, at=MIDNIGHT, cost_nanos=2, model="a", key_id="key_2", end_user=None, cached_tokens=3, tags=SEARCH),
    entry(
        3, at=MIDNIGHT + 1, cost_nanos=0, saved_nanos=2, model="a", cache="hit", route="responses",
        tags={**SEARCH, "tenant": "acme"},
    ),
    entry(4, at=MIDNIGHT + 2, cost_nanos=0, model="b", cache="joined", outcome="upstream_timeout", end_user="bob"),
    entry(5, at=MIDNIGHT + 3, cost_nanos=50, model="b", project="other", estimated=True, reasoning_tokens=4, tags=CHAT),
]  # fmt: skip
BY_FEATURE = [Grouping(by=GroupBy.TAG, tag_name="feature")]
BY_DAY = [Grouping(by=GroupBy.DAY)]
BY_PROJECT = [Grouping(by=GroupBy.PROJECT)]
ALWAYS: Any = {"since": 0.0, "until": 4e9}


@pytest.fixture
async def reports(postgres: Postgres) -> UsageReports:
    await LedgerStore(postgres).write([encode(call) for call in CALLS])
    return UsageReports(postgres)


@pytest.mark.parametrize(
    ("by", "figures"),
    [
        (GroupBy.DAY, [("2026-09-21", 1, 1), ("2026-09-22", 4, 52)]),
        (GroupBy.WEEK, [("2026-W39", 5, 53)]),
        (GroupBy.MONTH, [("2026-09", 5, 53)]),
        (GroupBy.MODEL, [("b", 2, 50), ("a", 3, 3)]),
        (GroupBy.KEY, [("key_1", 4, 51), ("key_2", 1, 2)]),
        (GroupBy.USER, [("ada", 3, 51), ("", 1, 2), ("bob", 1, 0)]),
        (GroupBy.PROJECT, [("other", 1, 50), ("acme", 4, 3)]),
        (GroupBy.ROUTE, [("chat", 4, 53), ("responses", 1, 0)]),
    ],
)
async def test_calls_are_summed_up_by(reports: UsageReports, by: GroupBy, figures: list[Any]) -> None:
    rows = await reports.usage([Grouping(by=by)], **ALWAYS)

    assert [(row.group, row.calls, row.cost_nanos) for row in rows] == figures


async def test_calls_are_summed_up_by_the_values_of_a_tag(reports: UsageReports) -> None:
    by_feature = await reports.usage(BY_FEATURE, **ALWAYS)
    assert [(row.group, row.calls, row.cost_nanos) for row in by_feature] == [
        ("chat", 1, 50),
        ("search", 2, 2),
        ("", 2, 1),
    ]
    of_project = await reports.usage(BY_FEATURE, calls=CallFilter(project="other"), **ALWAYS)
    assert [row.group for row in of_project] == ["chat"]


@pytest.mark.parametrize(
    ("tags", "models"),
    [
        (["feature=search"], [("a", 2)]),
        (["feature=search", "tenant=acme"], [("a", 1)]),
        (["feature=chat", "tenant=acme"], []),
        (["feature=sea"], []),
    ],
)
async def test_only_calls_with_all_tags_are_summed_up(
    reports: UsageReports, tags: list[str], models: list[tuple[str, int]]
) -> None:
    rows = await reports.usage(
        [Grouping(by=GroupBy.MODEL)], calls=CallFilter(tags=[parse_tag(text) for text in tags]), **ALWAYS
    )
    assert [(row.group, row.calls) for row in rows] == models


@pytest.mark.parametrize("text", ["day", "provider", "tag:feature", "tag:a.b-c"])
def test_a_grouping_is_written_as_it_is_read(text: str) -> None:
    assert Grouping.parse(text).text == text


@pytest.mark.parametrize("text", ["tag", "tag:", "tag:a b", "days", "DAY", "day\n", ""])
def test_another_grouping_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="none of hour, day, week, month, key"):
        Grouping.parse(text)


async def test_a_row_counts_everything(reports: UsageReports) -> None:
    [row] = await reports.usage([Grouping(by=GroupBy.DAY)], since=MIDNIGHT, until=MIDNIGHT + 10)

    assert row == UsageRow(
        group="2026-09-22",
        groups=("2026-09-22",),
        calls=4,
        hits=1,
        joined=1,
        errors=1,
        estimated=1,
        input_tokens=40,
        cached_tokens=3,
        output_tokens=20,
        reasoning_tokens=4,
        cost_nanos=52,
        saved_nanos=2,
    )


async def test_since_is_within_and_until_is_not(reports: UsageReports) -> None:
    [row] = await reports.usage(BY_PROJECT, since=MIDNIGHT, until=MIDNIGHT + 2, calls=CallFilter(project="acme"))

    assert (row.calls, row.cost_nanos) == (2, 2)


async def test_another_projects_calls_are_not_shown(reports: UsageReports) -> None:
    calls = CallFilter(project="other")
    assert [row.group for row in await reports.usage(BY_PROJECT, calls=calls, **ALWAYS)] == ["other"]


@pytest.mark.parametrize(
    ("calls", "figures"),
    [
        (CallFilter(key_id="key_2"), [("a", 1)]),
        (CallFilter(end_user="ada"), [("b", 1), ("a", 2)]),
        (CallFilter(model="b"), [("b", 2)]),
        (CallFilter(end_user="stranger"), []),
    ],
)
async def test_a_key_an_end_user_and_a_model_are_shown_alone(
    reports: UsageReports, calls: CallFilter, figures: list[tuple[str, int]]
) -> None:
    rows = await reports.usage([Grouping(by=GroupBy.MODEL)], calls=calls, **ALWAYS)
    assert [(row.group, row.calls) for row in rows] == figures


@pytest.mark.parametrize(
    ("calls", "error"), [(CallFilter(project="sohp"), ProjectNotFound), (CallFilter(key_id="key_9"), ApiKeyNotFound)]
)
async def test_an_unknown_project_or_key_is_an_error_and_not_nothing(
    reports: UsageReports, calls: CallFilter, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await reports.usage(BY_PROJECT, calls=calls, **ALWAYS)


async def test_several_groupings_are_combined(reports: UsageReports) -> None:
    rows = await reports.usage([Grouping(by=kind) for kind in (GroupBy.HOUR, GroupBy.MODEL, GroupBy.OUTCOME)], **ALWAYS)
    assert [(row.groups, row.calls) for row in rows] == [
        (("2026-09-21 23:00", "a", "ok"), 1),
        (("2026-09-22 00:00", "b", "ok"), 1),
        (("2026-09-22 00:00", "a", "ok"), 2),
        (("2026-09-22 00:00", "b", "upstream_timeout"), 1),
    ]
    with pytest.raises(InvalidParameter):
        await reports.usage(BY_PROJECT * 4, **ALWAYS)


async def test_refusals_that_one_entry_stands_for_are_all_counted_and_a_client_that_left_is_no_error(
    postgres: Postgres,
) -> None:
    calls = [
        entry(1, outcome="rate_limit_exceeded", repeats=99, cost_nanos=0),
        entry(2, outcome="client_disconnected"),
        entry(3, fallback_step="canned"),
    ]
    await LedgerStore(postgres).write([encode(call) for call in calls])
    [row] = await UsageReports(postgres).usage(BY_PROJECT, **ALWAYS)
    assert (row.calls, row.errors, row.client_gone, row.degraded) == (102, 100, 1, 1)


async def test_sums_have_no_largest_value(postgres: Postgres) -> None:
    await LedgerStore(postgres).write([encode(entry(number, cost_nanos=2**63 - 1)) for number in range(3)])

    [row] = await UsageReports(postgres).usage(BY_PROJECT, **ALWAYS)

    assert row.cost_nanos == 3 * (2**63 - 1)


async def test_a_key_is_shown_with_its_name(reports: UsageReports, postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id) VALUES ('acme')")
        await connection.execute(
            "INSERT INTO keys (id, project, name, hash, hint) VALUES ('key_1', 'acme', 'the bot', $1, 'abcd')",
            bytes(32),
        )

    assert [(row.group, row.name) for row in await reports.usage([Grouping(by=GroupBy.KEY)], **ALWAYS)] == [
        ("key_1", "the bot"),
        ("key_2", None),
    ]


async def test_what_could_not_be_booked_is_counted(reports: UsageReports, postgres: Postgres) -> None:
    await LedgerStore(postgres).write([b"nonsense"])

    assert await reports.rejected() == 1


def test_a_total_is_the_sum_of_all_rows() -> None:
    rows = [UsageRow(group="a", calls=1, cost_nanos=2), UsageRow(group="b", calls=3, saved_nanos=4)]

    assert total(rows) == UsageRow(group="total", calls=4, cost_nanos=2, saved_nanos=4)
    assert total([]) == UsageRow(group="total")


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (210_000, "0.00021"),
        (1_500_000_000, "1.50"),
        (1_000_000_000, "1.00"),
        (12_345_678_901, "12.345678901"),
        (2**63, "9223372036.854775808"),
        (-5, "-0.000000005"),
    ],
)
def test_money_is_shown_exactly(nanos: int, text: str) -> None:
    assert usd(nanos) == text


@pytest.mark.usefixtures("reports")
async def test_days_are_those_of_the_time_zone(postgres: Postgres) -> None:
    """The calls are of the last second before midnight UTC, and of later ones."""
    here = UsageReports(postgres, time_zone="America/New_York")
    assert [(row.group, row.calls) for row in await here.usage(BY_DAY, **ALWAYS)] == [("2026-09-21", 5)]
    there = UsageReports(postgres, time_zone="Pacific/Kiritimati")
    assert [(row.group, row.calls) for row in await there.usage(BY_DAY, **ALWAYS)] == [("2026-09-22", 5)]
