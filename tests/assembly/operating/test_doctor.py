"""The doctor finds each of the planted defects, alone and all together, and none in a healthy stack of real stores."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from tests.gateway.keyed_upstream import KeyedUpstream
from tests.loopback_certificate import make_certificate
from tidegate.assembly.operating.doctor import Doctor
from tidegate.assembly.routing import health_report
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.auth.key_format import digest
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import KeyStore
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.config import Settings
from tidegate.doctor.finding import DoctorFinding, Verdict
from tidegate.doctor.rounds import CHECK_SECONDS
from tidegate.doctor.store_probes import RedisProbe
from tidegate.metering.ledger.stream import stream_key
from tidegate.queue.messages import LaneLimits
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.store import HealthStore
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.storage.schema.steps import all_steps

KEY = "sk-one-0123456789"


class Site:
    """A stack with its configuration, in which defects are planted."""

    def __init__(self, urls: StoreUrls, prefix: str, folder: Path, postgres: Postgres, redis: RedisLink) -> None:
        self.urls = urls
        self.prefix = prefix
        self.folder = folder
        self.postgres = postgres
        self.redis = redis
        self.clock: Any = SystemClock()
        self.keys = KeyStore(postgres, redis, clock=self.clock, prefix=prefix)
        self.providers: dict[str, Any] = {}
        self.sections: dict[str, Any] = {}
        self.tls_address = ""

    async def sql(self, statement: str) -> None:
        """Run a statement on PostgreSQL."""
        async with self.postgres.connection() as connection:
            await connection.execute(statement)

    def set(self, section: str, **values: Any) -> None:
        """Configure a section."""
        self.sections[section] = {**self.sections.get(section, {}), **values}

    def add_provider(self, name: str, base_url: str, key: str = KEY) -> None:
        """Configure a compatible provider."""
        self.providers[name] = {
            "kind": "openai_compatible", "base_url": base_url, "credentials": [{"name": "main", "api_key": key}],
        }  # fmt: skip

    async def examine(self) -> list[DoctorFinding]:
        """Return the findings."""
        sections: dict[str, Any] = {"redis": {"prefix": self.prefix}, "data_dir": self.folder} | self.sections
        sections["database_url"] = SecretStr(self.urls.database_url)
        sections["redis_url"] = SecretStr(self.urls.redis_url)
        settings = Settings(providers=self.providers, **sections)
        return await Doctor(settings, self.clock).examine()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback, signed by itself, with its key beside it."""
    return make_certificate(tmp_path_factory.mktemp("authority"))


@contextlib.asynccontextmanager
async def over_tls(certificate: Path) -> AsyncIterator[str]:
    """Serve with a certificate that no one trusts; yield the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture
async def site(
    own_stores: StoreUrls, redis_prefix: str, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    monkeypatch.setenv("K_SERVICE", "tidegate")
    postgres = Postgres(own_stores.database_url, size=2, timeout=5)
    redis = RedisLink(own_stores.redis_url, timeout=2, clock=SystemClock())
    await redis.start()
    await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await redis.command("CONFIG", "SET", "maxmemory", "256mb")
    await redis.command("FLUSHALL")
    async with KeyedUpstream(KEY).serving() as upstream, over_tls(certificate) as tls_address:
        made = Site(own_stores, redis_prefix, tmp_path, postgres, redis)
        made.tls_address = tls_address
        await made.sql("TRUNCATE keys, projects, ledger, ledger_rejected, cost_comparisons, secret_uses CASCADE")
        made.add_provider("main", upstream.base_url)
        made.set("server", grace_seconds=8)
        made.set("upstream", base_url=upstream.base_url, api_key=KEY)
        yield made
    await redis.close()
    await postgres.close()


async def refused_key(site: Site) -> None:
    site.add_provider("refused", site.providers["main"]["base_url"], key="sk-bad-0123456789")


async def unknown_name(site: Site) -> None:
    site.add_provider("lost", "http://nothing.invalid/v1")


async def closed_port(site: Site) -> None:
    site.add_provider("closed", "http://127.0.0.1:1/v1")


async def untrusted_certificate(site: Site) -> None:
    site.add_provider("untrusted", site.tls_address)


async def missing_secret(site: Site) -> None:
    site.add_provider("unread", site.providers["main"]["base_url"], key="file:/nothing/here")


async def suspended(site: Site) -> None:
    settings = Settings(providers=site.providers)
    lanes = CapacityStore(site.redis, prefix=site.prefix, lane_limits=lambda _: LaneLimits())
    report = health_report(
        HealthStore(site.redis, prefix=site.prefix), lanes, settings, site.clock, on_change=lambda *_: None
    )
    await report.suspend("main/main")


async def eviction(site: Site) -> None:
    await site.redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")


async def full_redis(site: Site) -> None:
    memory = (await RedisProbe(site.redis).facts(None)).used_bytes
    await site.redis.command("CONFIG", "SET", "maxmemory", int(memory / 0.8))


async def backlog(site: Site) -> None:
    for _ in range(1000):
        await site.redis.command("XADD", stream_key(site.prefix), "*", "entry", "x")


async def rejected(site: Site) -> None:
    await site.sql("INSERT INTO ledger_rejected (id, entry, reason) VALUES ('r', '{}', 'too large')")


async def unwritable_spool(site: Site) -> None:
    (site.folder / "file").write_text("")
    site.set("metering", spool_dir=site.folder / "file" / "spool")


async def small_server(site: Site) -> None:
    site.set("database", pool_size=20)
    site.set("server", workers=256)


async def old_schema(site: Site) -> None:
    async with site.postgres.connection() as connection:
        await connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = $1", all_steps()[-1].name)


async def unpriced(site: Site) -> None:
    await site.sql(
        "INSERT INTO ledger (id, at, project, key_id, route, model, outcome, cache, stream, unpriced) "
        "VALUES ('req_1', now(), 'p', 'k', 'chat', 'acme-9', 'success', 'miss', false, true)"
    )


async def poor_budget(site: Site) -> None:
    await site.keys.create(project="poor", grants=KeyChange(limits=LimitsChange(budget_day=1)))


async def ending_key(site: Site) -> None:
    made = await site.keys.create(project="shop", expires_at=site.clock.now() + 3600)
    await use(site, made.token)


async def ending_overlap(site: Site) -> None:
    made = await site.keys.create(project="shop")
    await use(site, made.token)
    rotation = KeyRotation(site.postgres, site.redis, site.keys, clock=site.clock, prefix=site.prefix)
    await rotation.rotate(made.record.id, overlap=3600)


async def use(site: Site, token: str) -> None:
    """Note that a client sent a key."""
    async with site.postgres.connection() as connection:
        await connection.execute("INSERT INTO secret_uses VALUES ($1, now())", digest(token))


async def drift(site: Site) -> None:
    await site.sql("INSERT INTO cost_comparisons VALUES ('openai', '2026-11-29', now(), 90, 100)")


async def short_keep_alive(site: Site) -> None:
    site.set("server", keep_alive_seconds=30)


async def rare_pings(site: Site) -> None:
    site.set("server", ping_seconds=120)


async def long_grace(site: Site) -> None:
    site.set("server", grace_seconds=60)


async def wrong_clock(site: Site) -> None:
    site.clock = ManualClock(SystemClock().now() - 600)


DEFECTS: dict[str, tuple[Callable[[Site], Awaitable[None]], set[str]]] = {
    "a key that the provider refuses": (refused_key, {"credential"}),
    "a name that does not exist": (unknown_name, {"upstream_dns", "credential"}),
    "a port that is closed": (closed_port, {"upstream_connect", "credential"}),
    "a certificate that is not trusted": (untrusted_certificate, {"upstream_tls", "credential"}),
    "a secret that is not there": (missing_secret, {"secret"}),
    "a suspended credential": (suspended, {"credential"}),
    "a Redis that evicts": (eviction, {"redis_policy"}),
    "a backlog": (backlog, {"ledger_backlog"}),
    "a rejected entry": (rejected, {"ledger_rejected"}),
    "a spool that cannot be written": (unwritable_spool, {"spool"}),
    "more workers than connections": (small_server, {"postgres_pool"}),
    "an old schema": (old_schema, {"postgres_schema"}),
    "a model without a price": (unpriced, {"prices"}),
    "a budget that can pay nothing": (poor_budget, {"budgets"}),
    "a key in use that ends": (ending_key, {"key_end"}),
    "a replaced secret in use that ends": (ending_overlap, {"key_end"}),
    "a ledger that differs from the bill": (drift, {"drift"}),
    "a keep-alive below the balancer's": (short_keep_alive, {"keep_alive"}),
    "pings rarer than the balancer's patience": (rare_pings, {"ping"}),
    "a grace that the platform does not wait for": (long_grace, {"platform_stop"}),
    "a full Redis": (full_redis, {"redis_memory"}),  # last, because it takes nothing more
    "a wrong clock": (wrong_clock, {"postgres_clock", "redis_clock", "upstream_clock"}),
}


def wrong(findings: list[DoctorFinding]) -> set[str]:
    """Return what is not good."""
    return {each.check for each in findings if each.verdict is not Verdict.GOOD}


@pytest.fixture(autouse=True)
async def _schema_as_before(site: Site) -> AsyncIterator[None]:
    yield
    last = all_steps()[-1]
    record = "INSERT INTO _yoyo_migration VALUES ($1, $2, now()) ON CONFLICT DO NOTHING"
    async with site.postgres.connection() as connection:
        await connection.execute(record, last.hash, last.name)


async def test_a_healthy_stack_has_no_defect(site: Site) -> None:
    await site.keys.create(project="shop", grants=KeyChange(limits=LimitsChange(budget_day=10**12)))
    found = await site.examine()
    assert wrong(found) == set(), [each for each in found if each.verdict is not Verdict.GOOD]
    assert {"postgres_speed", "redis_speed", "spool", "credential", "upstream_connect", "secret", "probe"} <= {
        each.check for each in found
    }


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_defect_is_found_alone(site: Site, defect: str) -> None:
    plant, checks = DEFECTS[defect]
    await plant(site)
    found = await site.examine()
    assert wrong(found) == checks, [each for each in found if each.verdict is not Verdict.GOOD]


async def test_all_defects_are_found_together_in_time_and_no_secret_is_shown(site: Site) -> None:
    expected: set[str] = set()
    for name, (plant, checks) in DEFECTS.items():
        if name != "a wrong clock":  # keys end by the clock
            await plant(site)
            expected |= checks
    began = asyncio.get_running_loop().time()
    found = await site.examine()
    assert asyncio.get_running_loop().time() - began < 2.5 * CHECK_SECONDS
    assert wrong(found) == expected
    assert sum(each.check == "key_end" for each in found) == 2
    assert "sk-one" not in str(found)
    assert "sk-bad" not in str(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"redis_url": "redis://127.0.0.1:1"}, "redis"), ({"database_url": "postgresql://127.0.0.1:1/x"}, "postgres")],
)
async def test_a_store_that_is_down_is_named_and_the_rest_is_examined(
    site: Site, changes: dict[str, str], expected: str
) -> None:
    site.urls = msgspec.structs.replace(site.urls, **changes)
    found = await site.examine()
    assert expected in wrong(found)
    assert any(each.check == "credential" and each.verdict is Verdict.GOOD for each in found)
