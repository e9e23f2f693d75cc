"""The schema is migrated once, however many processes try at the same time, and failures are clear."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from yoyo import read_migrations

from tidegate.core.errors import PostgresUnavailable
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.storage import migrate as module
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.migrate import MigrationFailed, migrate, pending

STEPS = [
    "0001.keys",
    "0002.ledger",
    "0003.limits",
    "0004.conversations",
    "0005.views",
    "0006.ledger_by_end_user",
    "0007.background",
    "0008.ladder",
    "0010.completions_having",
    "0011.ledger_by_day",
    "0012.leases",
    "0013.alerts",
    "0014.fallback_step",
]


@pytest.fixture
def empty_database(stores: StoreUrls) -> Iterator[str]:
    name = "tidegate_test_migrate"
    with psycopg.connect(stores.database_url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        yield urlsplit(stores.database_url)._replace(path=f"/{name}").geturl()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_empty_database_gets_every_step_once(empty_database: str) -> None:
    assert pending(empty_database) == STEPS
    assert migrate(empty_database) == STEPS
    assert pending(empty_database) == []
    assert migrate(empty_database) == []


def test_processes_that_start_together_share_the_work(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as together:
        applied = list(together.map(migrate, [empty_database] * 4))
    assert sorted(applied) == [[], [], [], STEPS]


def test_every_step_can_be_taken_back(empty_database: str) -> None:
    migrate(empty_database)
    with module._locked(empty_database) as backend:  # noqa: SLF001  # rolling back is no part of the product
        backend.rollback_migrations(backend.to_rollback(read_migrations("package:tidegate.storage:migrations")))
    assert migrate(empty_database) == STEPS


def test_the_ledger_has_the_columns_of_its_entries(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns WHERE table_name = 'ledger'"
        ).fetchall()
    optional = {
        field.name: type(None) in getattr(field.type, "__args__", ()) for field in msgspec.structs.fields(LedgerEntry)
    }
    assert dict(rows) == optional


def test_the_ledger_holds_an_entry(clean_stores: StoreUrls) -> None:
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    entry = LedgerEntry(
        id="req_1",
        at=moment.timestamp(),
        project="p",
        key_id="key_1",
        end_user=None,
        route="chat",
        model="gpt-4o-mini",
        outcome="ok",
        cache="miss",
        stream=False,
        cost_nanos=2**40,
    )
    row = msgspec.to_builtins(entry) | {"at": moment}
    with psycopg.connect(clean_stores.database_url, autocommit=True) as connection:
        columns, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        connection.execute(f"INSERT INTO ledger ({columns}) VALUES ({places})", row)  # noqa: S608  # names of our own
        assert connection.execute("SELECT at, cost_nanos FROM ledger").fetchone() == (moment, 2**40)


def test_what_knows_nothing_of_limits_still_makes_and_finds_keys(clean_stores: StoreUrls) -> None:
    with psycopg.connect(clean_stores.database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO projects (id, created_at) VALUES ('shop', now())")
        connection.execute(
            "INSERT INTO keys (id, project, name, hash, hint) VALUES ('key_1', 'shop', '', %s, 'abcd')", [b"x" * 32]
        )
        result = connection.execute("SELECT rpm, budget_day_nanos, priority, models, admin FROM keys").fetchone()
        assert result == (None, None, None, None, False)
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE keys SET rpm = -1")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE projects SET priority = 'urgent'")


def test_a_step_that_fails_is_named_and_leaves_nothing(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE keys (in_the_way text)")
    with pytest.raises(MigrationFailed, match=r"0001\.keys"):
        migrate(empty_database)
    assert pending(empty_database) == STEPS
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('projects')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://user:hidden@127.0.0.1:1/none", "Connection refused"),
        ("postgresql://user:hidden@[broken/none", "cannot be read"),
        ("nonsense", "cannot be read"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_sentence_without_the_password(url: str, says: str) -> None:
    with pytest.raises(PostgresUnavailable) as refusal:
        migrate(url)
    assert says in refusal.value.message
    assert "hidden" not in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_percent_encoded_socket_works(database_url: str) -> None:
    parts = urlsplit(database_url)
    if not parts.query.startswith("host="):
        pytest.skip("the given server is reached by TCP")
    folder = parts.query.removeprefix("host=").partition("&")[0]
    assert pending(f"postgresql://postgres@{folder}{parts.path}") == []
