"""The schema is migrated once, however many processes try at the same time, and failures are clear."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest

from tests.storage.poolers import needs_pgbouncer, pgbouncer
from tests.storage.schema.taking_back import take_back
from tidegate.core.errors import PostgresUnavailable, StatementPooling
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import queries
from tidegate.storage.schema import migrate as module
from tidegate.storage.schema.migrate import DatabaseNotUtf8, MigrationFailed, migrate, pending

STEPS = [
    "0001.keys",
    "0002.ledger",
    "0003.limits",
    "0004.conversations",
    "0005.views",
    "0006.ledger_by_end_user",
    "0007.background",
    "0008.ladder",
    "0009.kinds_of_charges",
    "0010.completions_having",
    "0011.ledger_by_day",
    "0012.leases",
    "0013.alerts",
    "0014.fallback_step",
    "0015.tags",
    "0016.ledger_by_tag",
    "0017.week_budgets",
    "0020.rotation",
    "0021.calls",
    "0022.alert_states",
    "0023.audit_and_comparisons",
    "0027.ledger_look_ups",
    "0029.read_only_keys",
    "0030.dashboard_sessions",
    "0031.usage_slots",
    "0032.conversations_by_time",
    "0033.owned_objects",
    "0037.semantic",
    "0038.semantic_reports",
]


KILLS = int(os.environ.get("MIGRATION_KILLS", "6"))
MIGRATING = "import sys; from tidegate.storage.schema.migrate import migrate; migrate(sys.argv[1])"


def schema_of(url: str) -> set[tuple[str, str, str]]:
    """Return the kind, the name and the definition of everything in the schema."""
    with psycopg.connect(url) as database:
        return set(database.execute(queries("lost_records")["parts"].replace("$1", "'public'").encode()).fetchall())


def wait_until_applied(url: str, steps: int) -> None:
    """Wait until another process has applied this many steps."""
    with psycopg.connect(url, autocommit=True) as database:
        while database.execute("SELECT count(*) >= %s FROM _yoyo_migration", [steps]).fetchone() == (False,):
            pass


def test_an_empty_database_gets_every_step_once(empty_database: str) -> None:
    assert pending(empty_database) == STEPS
    assert migrate(empty_database) == STEPS
    assert pending(empty_database) == []
    assert migrate(empty_database) == []


def test_processes_that_start_together_share_the_work(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as together:
        applied = list(together.map(migrate, [empty_database] * 4))
    assert sorted(applied) == [[], [], [], STEPS]


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_processes_behind_a_pooler_share_the_work_and_leave_no_lock(empty_database: str, mode: str) -> None:
    async with pgbouncer(empty_database, mode, size=6) as url:
        applied = await asyncio.gather(*(asyncio.to_thread(migrate, url) for _ in range(3)))
        assert sorted(applied) == [[], [], STEPS]
        assert await asyncio.to_thread(pending, url) == []
        with psycopg.connect(empty_database) as server:
            locks = server.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
            assert locks == (0,), "a lock of a session stays with the pooler's connection"


@needs_pgbouncer
async def test_a_pooler_in_statement_mode_is_refused_with_a_sentence(empty_database: str) -> None:
    async with pgbouncer(empty_database, "statement") as url:
        for use in (migrate, pending):
            with pytest.raises(StatementPooling, match="pool_mode=transaction"):
                await asyncio.to_thread(use, url)


@pytest.fixture
def lock(empty_database: str) -> Iterator[psycopg.Connection]:
    """The lock, held as another process that migrates holds it."""
    with psycopg.connect(empty_database) as other:
        assert other.execute(queries("migrations")["try_lock"].encode()).fetchone() == (True,)
        yield other


@pytest.mark.parametrize("use", [migrate, pending])
def test_a_process_waits_for_the_one_that_migrates(
    empty_database: str, lock: psycopg.Connection, use: Callable[[str], list[str]]
) -> None:
    with ThreadPoolExecutor(1) as aside:
        using = aside.submit(use, empty_database)
        with pytest.raises(TimeoutError):
            using.result(timeout=0.5)
        lock.rollback()
        assert using.result() == STEPS


async def test_the_lock_is_kept_however_soon_the_server_ends_idle_transactions(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as server:
        server.execute("ALTER DATABASE tidegate_test_migrate SET idle_in_transaction_session_timeout = 100")
        async with module._opened(empty_database) as postgres, module._locked(postgres):  # noqa: SLF001  # to hold it
            server.execute("SELECT pg_sleep(0.5)")


def test_every_step_can_be_taken_back(empty_database: str) -> None:
    migrate(empty_database)
    take_back(empty_database)
    assert migrate(empty_database) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_record_was_lost_is_recognised(empty_database: str, step: str) -> None:
    """Releases with yoyo wrote the record in a transaction of its own, and could be killed before it."""
    migrate(empty_database)
    before = schema_of(empty_database)
    take_back(empty_database, after=step)
    with psycopg.connect(empty_database, autocommit=True) as database:
        database.execute("DELETE FROM _yoyo_migration WHERE migration_id = %s", [step])
    assert migrate(empty_database) == STEPS[STEPS.index(step) :]
    assert pending(empty_database) == []
    assert schema_of(empty_database) == before


def test_a_migration_that_is_killed_at_any_moment_can_be_run_again(empty_database: str) -> None:
    migrate(empty_database)
    whole = schema_of(empty_database)
    generator = random.Random(12)  # noqa: S311  # to draw moments
    for _ in range(KILLS):
        take_back(empty_database)
        with subprocess.Popen([sys.executable, "-c", MIGRATING, empty_database]) as process:
            wait_until_applied(empty_database, generator.randrange(len(STEPS)))
            process.kill()
        migrate(empty_database)
        assert schema_of(empty_database) == whole


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


@pytest.mark.parametrize("use", [migrate, pending])
def test_a_database_that_cannot_hold_every_text_is_named_so(stores: StoreUrls, use: Callable[[str], list[str]]) -> None:
    name = "tidegate_test_latin"
    with psycopg.connect(stores.database_url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name}")
        server.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        with pytest.raises(DatabaseNotUtf8, match="encoding is LATIN1"):
            use(urlsplit(stores.database_url)._replace(path=f"/{name}").geturl())
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://user:hidden@127.0.0.1:1/none", "Connect call failed"),
        ("postgresql://user:hidden@[broken/none", "cannot be read"),
        ("nonsense", "scheme is expected to be"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_sentence_without_the_password(url: str, says: str) -> None:
    with pytest.raises(PostgresUnavailable) as refusal:
        migrate(url)
    assert says in refusal.value.message
    assert "hidden" not in refusal.value.message
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hidden@[broken/none",
        "postgresql://user:hidden@h:port/none",
        "nonsense",
        "mysql://u:hidden@h/x",
    ],
)
def test_who_only_looks_gets_one_sentence_for_an_unreadable_address_too(url: str) -> None:
    with pytest.raises(PostgresUnavailable) as refusal:
        pending(url)
    assert "cannot be" in refusal.value.message
    assert "hidden" not in refusal.value.message


def test_a_percent_encoded_socket_works(database_url: str) -> None:
    parts = urlsplit(database_url)
    if not parts.query.startswith("host="):
        pytest.skip("the given server is reached by TCP")
    folder = parts.query.removeprefix("host=").partition("&")[0]
    assert pending(f"postgresql://postgres@{folder}{parts.path}") == []
