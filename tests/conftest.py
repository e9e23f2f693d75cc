"""Real stores for every test, and no way out to the network.

Given `TIDEGATE_DATABASE_URL` and `TIDEGATE_REDIS_URL` the suite uses those servers: a database of
its own, made at the start and dropped at the end, and in Redis only keys that contain
`redis_prefix`. Given none it starts its own from the wheels. With `-n 4` four processes, the
workers, share the test files; each worker has a database, a prefix and, given none, stores of its own.
"""

import gc
import logging
import os
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import structlog
from hypothesis import HealthCheck, settings
from psycopg import sql
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tidegate.core.clock import ManualClock, SystemClock
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.storage.schema.migrate import migrate

GIVEN = pytest.StashKey[StoreUrls | None]()
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make faults` has the page of the fault matrix written, and `make realtime` plays longer sessions."""
    parser.addoption("--realtime-minutes", type=int, default=1, help="how long the session of the realtime test is")
    parser.addoption("--write-fault-matrix", action="store_true", help="write docs/generated/fault-matrix.md")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Remember which stores were given, forget the rest of the environment's wishes, close the network."""
    try_the_same_cases_each_time()
    gc.disable()  # until all is collected: searching what grows meanwhile takes a third of the time
    database_url, redis_url = os.environ.get("TIDEGATE_DATABASE_URL"), os.environ.get("TIDEGATE_REDIS_URL")
    if bool(database_url) != bool(redis_url):
        pytest.exit("Give both TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, or neither.", returncode=2)
    given = StoreUrls(database_url=database_url, redis_url=redis_url) if database_url and redis_url else None
    config.stash[GIVEN] = given
    if starts_workers(config):
        return  # it runs no test itself, and its workers inherit the environment, with the stores that were given
    for variable in list(os.environ):
        if variable.startswith(("TIDEGATE_", "OPENAI_")) or variable.lower() in PROXIES:
            del os.environ[variable]
    refuse_network(allowed={urlsplit(url).hostname for url in (database_url, redis_url) if url})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Give each test file to one worker as a whole, in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the long files first where several workers share them, so that all workers end together.

    Of these, the tables come first: their fixtures play so long that they have a time limit of their own.
    """
    if is_worker(config):
        ranks: dict[Path, int] = {}
        for item in (item for item in items if item.get_closest_marker("long")):
            ranks[item.path] = max(ranks.get(item.path, 1), 2 if item.get_closest_marker("timeout") else 1)
        items.sort(key=lambda item: -ranks.get(item.path, 0))


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process runs a share of the tests for another one."""
    return hasattr(config, "workerinput")


def starts_workers(config: pytest.Config) -> bool:
    """Return whether this process leaves the tests to workers."""
    return not is_worker(config) and config.getoption("dist", "no") != "no"


def pytest_collection_finish() -> None:
    """What was collected stays to the end: searching it for garbage would stop every clock for a second each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


def try_the_same_cases_each_time() -> None:
    """A change is judged by its own faults, and not by a slow machine's; `--hypothesis-profile=others` tries others."""
    settings.register_profile("others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("same", settings.get_profile("others"), derandomize=True)
    settings.load_profile("same")


def refuse_network(allowed: set[str | None]) -> None:
    """From now on, connecting to an address that is not loopback (nor a given store's) raises."""
    addresses = {info[4][0] for host in allowed if host for info in socket.getaddrinfo(host, None)}

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event != "socket.connect" or not isinstance(arguments[1], tuple):
            return
        host = str(arguments[1][0])
        if not host.startswith("127.") and host not in {"::1", "localhost", *addresses}:
            raise ConnectionRefusedError(f"tests may not reach {host}: only loopback")

    sys.addaudithook(refuse)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Logging is the whole process's: what a gateway or a command says of it holds for no other test."""
    yield
    structlog.reset_defaults()
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def stores(pytestconfig: pytest.Config) -> Iterator[StoreUrls]:
    given = pytestconfig.stash[GIVEN]
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-test-") as folder, embedded.running(Path(folder)) as own:
        yield own


@pytest.fixture(scope="session")
def database_url(stores: StoreUrls) -> Iterator[str]:
    """A database of this run's own, migrated."""
    name = f"tidegate_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(stores.database_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = urlsplit(stores.database_url)._replace(path=f"/{name}").geturl()
        migrate(url)
        yield url
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def redis_url(stores: StoreUrls) -> str:
    return stores.redis_url


@pytest.fixture(scope="session")
def redis_prefix() -> str:
    """What every key in Redis that a test makes must contain; give it as `redis.prefix`."""
    return f"tidegate-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder directly below the temporary one, so that tests can open all of its path to other users."""
    with tempfile.TemporaryDirectory(prefix="tidegate-open-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def own_folder() -> Iterator[Path]:
    """The data folder of `own_stores`: `redis/redis.pid` and `postgres/postmaster.pid` name their processes."""
    with tempfile.TemporaryDirectory(prefix="tidegate-own-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def own_stores(own_folder: Path) -> Iterator[StoreUrls]:
    """Stores that a test module may freeze and kill; it leaves them running."""
    with embedded.running(own_folder) as own:
        migrate(own.database_url)
        yield own


@pytest.fixture
def clean_stores(database_url: str, redis_url: str, redis_prefix: str) -> StoreUrls:
    """Both stores, emptied of what earlier tests left."""
    with psycopg.connect(database_url, autocommit=True) as database:
        names = database.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'"
        ).fetchall()
        look = sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})")
        looks = sql.SQL(" UNION ALL ").join(look.format(sql.Literal(name), sql.Identifier(name)) for (name,) in names)
        if filled := database.execute(looks).fetchall():  # to empty what is empty takes its time, too
            tables = sql.SQL(", ").join(sql.Identifier(name) for (name,) in filled)
            # their triggers refuse it, and one is emptied with the other
            audited = ("audit_lines", "audit_outcomes") if ("audit_lines",) in filled else ()
            for name in audited:
                database.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(name)))
            database.execute(sql.SQL("TRUNCATE {} CASCADE").format(tables))
            for name in audited:
                database.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(name)))
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"*{redis_prefix}*", count=1000):
            client.delete(key)
    return StoreUrls(database_url=database_url, redis_url=redis_url)


@pytest.fixture
async def postgres(clean_stores: StoreUrls) -> AsyncIterator[Postgres]:
    connections = Postgres(clean_stores.database_url, size=4, timeout=10.0)
    yield connections
    await connections.close()


@pytest.fixture
async def redis_link(clean_stores: StoreUrls) -> AsyncIterator[RedisLink]:
    """Patient (2 s), because a busy machine is no failure."""
    link = RedisLink(clean_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    yield link
    await link.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
