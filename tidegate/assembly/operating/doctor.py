"""The doctor: connects what it looks at with what it says. Used by the admin API and by `tidegate doctor`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from tidegate.assembly.pipeline import budget_check
from tidegate.assembly.routing import health_report
from tidegate.auth.key_store import KeyRecord, KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import Clock
from tidegate.core.config import Settings
from tidegate.core.config.platform import detected_platform
from tidegate.core.config.secret_errors import SecretError
from tidegate.core.config.secret_reference import SecretReference
from tidegate.core.config.secret_values import with_values
from tidegate.core.errors import TidegateError
from tidegate.core.values import Limits
from tidegate.doctor import stores, surroundings
from tidegate.doctor.finding import DoctorFinding, good
from tidegate.doctor.network import look_at_server
from tidegate.doctor.rounds import DoctorCheck, run_checks
from tidegate.doctor.store_probes import PostgresProbe, RedisProbe, look_at_spool
from tidegate.metering import price_list
from tidegate.metering.ledger.spool import count_lines
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.metering.prices import Prices
from tidegate.metering.reports.usage_report import UsageReports
from tidegate.providers.base import Credential, Provider
from tidegate.providers.registry import make_providers
from tidegate.providers.transport import Transport
from tidegate.providers.upstream_keys import KeyVerdict, verdict_of
from tidegate.queue.messages import LaneLimits
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.store import HealthStore
from tidegate.secrets.check import check_secrets
from tidegate.secrets.sources.registry import SecretSources
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

_WEEK_SECONDS = 7 * 86_400.0
_STORE_SECONDS = 4.0
"""Less than a check may take, so that a store that does not answer is named."""
UNREAD = "sk-not-read"
"""In place of a secret that cannot be read."""
_MAX_TERMS = 50
"""Different budgets that are looked at: each takes some milliseconds."""
_MAX_NAMED = 1000
"""Keys and projects whose budgets are looked at."""


class Doctor:
    """Looks at everything that a gateway needs, with connections of its own; never sends a paid call."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Secrets of the settings that were not read yet are read for each examination."""
        self._settings = settings
        self._clock = clock
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return "<Doctor>"

    async def examine(self) -> list[DoctorFinding]:
        """Return the findings, within about seven seconds. Examinations at the same time follow each other."""
        async with self._lock:
            settings = await asyncio.to_thread(_with_readable_secrets, self._settings, self._clock)
            await asyncio.to_thread(_prepare, settings, self._clock.now())
            postgres = Postgres(_url(settings.database_url), size=4, timeout=_STORE_SECONDS)
            redis = RedisLink(
                _url(settings.redis_url), timeout=_STORE_SECONDS, clock=self._clock, ca_file=settings.redis.ca_file
            )
            await redis.start()
            try:
                async with Transport(max_connections=10) as transport:
                    providers = make_providers(settings.all_providers, transport, self._clock)
                    return await run_checks(
                        _store_checks(settings, self._clock, postgres, redis)
                        | _record_checks(settings, self._clock, postgres, redis)
                        | _provider_checks(settings, self._clock, redis, providers)
                        | {
                            "secret": partial(_secrets, self._settings, self._clock),
                            "probe": partial(_serving, settings),
                        }
                    )
            finally:
                await redis.close()
                await postgres.close()


def _url(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _store_checks(settings: Settings, clock: Clock, postgres: Postgres, redis: RedisLink) -> dict[str, DoctorCheck]:
    database, store = PostgresProbe(postgres), RedisProbe(redis)

    async def look_at_postgres() -> list[DoctorFinding]:
        pool = settings.database.pool_size
        return list(stores.postgres_findings(await database.facts(pool_size=pool, workers=settings.server.workers)))

    async def look_at_redis() -> list[DoctorFinding]:
        return list(stores.redis_findings(await store.facts(settings.redis.max_memory_bytes)))

    async def look_at_ledger() -> list[DoctorFinding]:
        in_stream = await LedgerStream(redis, settings.redis.prefix).length()
        rejected = await UsageReports(postgres).rejected()
        return list(stores.ledger_findings(stores.LedgerFacts(in_stream=in_stream, rejected=rejected)))

    async def look_at_folder() -> list[DoctorFinding]:
        folder = settings.spool_dir
        entries = await asyncio.to_thread(count_lines, folder)
        return list(stores.spool_findings(await asyncio.to_thread(look_at_spool, folder, entries)))

    return {
        "postgres": look_at_postgres,
        "postgres_clock": partial(_clock_check, "postgres_clock", "PostgreSQL's clock", database.now, clock),
        "redis": look_at_redis,
        "redis_clock": partial(_clock_check, "redis_clock", "The clock of Redis", store.now, clock),
        "ledger": look_at_ledger,
        "spool": look_at_folder,
    }


async def _clock_check(
    check: str, whose: str, read: Callable[[], Awaitable[float]], clock: Clock
) -> list[DoctorFinding]:
    began = clock.now()
    theirs = await read()
    return [surroundings.skew_finding(check, whose, theirs - (began + clock.now()) / 2)]


def _record_checks(settings: Settings, clock: Clock, postgres: Postgres, redis: RedisLink) -> dict[str, DoctorCheck]:
    prefix = settings.redis.prefix
    database = PostgresProbe(postgres)
    key_store = KeyStore(postgres, redis, clock=clock, prefix=prefix)

    async def look_at_prices() -> list[DoctorFinding]:
        prices = Prices(settings.metering, await asyncio.to_thread(price_list.load, settings.metering.price_file))
        models = await database.models(clock.now() - _WEEK_SECONDS)
        return [
            surroundings.price_finding({each: calls for each, calls in models.items() if not prices.has_price(each)})
        ]

    async def look_at_budgets() -> list[DoctorFinding]:
        projects = await ProjectStore(postgres, redis, prefix=prefix).list(limit=_MAX_NAMED)
        keys = await key_store.list(limit=_MAX_NAMED)
        now = clock.now()
        budgets: list[tuple[str, Limits, tuple[str, ...]]] = [
            ("The whole deployment", settings.budgets.deployment_limits, ())
        ]
        budgets += [(f"Project {each.name}", each.limits, ()) for each in projects]
        budgets += [(f"Key {each.id}", each.limits, each.models) for each in keys if each.state(now) == "active"]
        found = await asyncio.to_thread(_poor_budgets, settings, budgets, now)
        return list(surroundings.budget_findings(found)) or [good("budgets", "Every budget can pay a short question.")]

    async def look_at_keys() -> list[DoctorFinding]:
        keys = await key_store.list(limit=_MAX_NAMED)
        ends = [end for key in keys if key.revoked_at is None for end in _ends(key)]
        found = list(surroundings.key_findings(ends, now=clock.now()))
        return found or [good("key_end", "No key in use ends within a day.")]

    async def look_at_drift() -> list[DoctorFinding]:
        last = await database.last_comparison()
        if last is None:
            return []
        return [surroundings.drift_finding(last.day, last.ledger_nanos, last.provider_nanos)]

    return {"prices": look_at_prices, "budgets": look_at_budgets, "key_end": look_at_keys, "drift": look_at_drift}


def _poor_budgets(
    settings: Settings, budgets: list[tuple[str, Limits, tuple[str, ...]]], now: float
) -> list[tuple[str, str]]:
    """Return whose budgets cannot pay, and why. Takes a while: every model of the price list is looked at."""
    check = budget_check(settings)
    known: dict[tuple[object, ...], list[str]] = {}
    for _, limits, models in budgets:
        terms = (*limits.budgets.values(), models)
        if terms not in known and len(known) < _MAX_TERMS:
            known[terms] = check.warnings(limits, models=models, at=now)
    return [
        (owner, warning)
        for owner, limits, models in budgets
        for warning in known.get((*limits.budgets.values(), models), ())
    ]


def _prepare(settings: Settings, now: float) -> None:
    """Load the price list and the tokenizer before any deadline runs: they take a second, and hold up the rest."""
    price_list.load(settings.metering.price_file)
    budget_check(settings).warnings(Limits(budget_day=1), models=("gpt-5",), at=now)


def _ends(key: KeyRecord) -> list[surroundings.KeyEnd]:
    ends = []
    if key.expires_at is not None:
        ends.append(
            surroundings.KeyEnd(key_id=key.id, ends_at=key.expires_at, is_replaced=False, last_used_at=key.last_used_at)
        )
    if (old := key.replaced) is not None:
        ends.append(
            surroundings.KeyEnd(key_id=key.id, ends_at=old.stops_at, is_replaced=True, last_used_at=old.last_used_at)
        )
    return ends


def _provider_checks(
    settings: Settings, clock: Clock, redis: RedisLink, providers: dict[str, Provider]
) -> dict[str, DoctorCheck]:
    prefix = settings.redis.prefix
    lanes = CapacityStore(redis, prefix=prefix, lane_limits=lambda _: LaneLimits())  # reading needs no limits
    report = health_report(HealthStore(redis, prefix=prefix), lanes, settings, clock)

    async def look_at(name: str) -> list[DoctorFinding]:
        config = settings.all_providers[name]
        return list(
            surroundings.server_findings(await look_at_server(name, config.base_url or "", config.ca_file, clock))
        )

    async def look_at_health() -> list[DoctorFinding]:
        states = (await report.read()).credentials
        return [
            surroundings.credential_finding(
                surroundings.CredentialFacts(name=each.name, state=each.state, words=each.message or "")
            )
            for each in states
            if each.state != "healthy"
        ]

    checks: dict[str, DoctorCheck] = {f"upstream {name}": partial(look_at, name) for name in providers}
    unread = {
        (name, each.name)
        for name, config in settings.all_providers.items()
        for each in config.credentials
        if each.configured_key.get_secret_value() == UNREAD  # the finding on the secret says why
    }
    checks |= {
        f"credential {name}/{credential.name}": partial(_ask, provider, credential)
        for name, provider in providers.items()
        for credential in provider.credentials
        if (name, credential.name) not in unread
    }
    return checks | {"credential states": look_at_health}


async def _ask(provider: Provider, credential: Credential) -> list[DoctorFinding]:
    name = f"{provider.name}/{credential.name}"
    facts = surroundings.CredentialFacts(name=name)
    try:
        await provider.probe(credential)
    except TidegateError as error:
        words = error.upstream_detail.message if error.upstream_detail else error.message
        if (verdict := verdict_of(error)) is not KeyVerdict.GOOD:
            facts = surroundings.CredentialFacts(
                name=name, error=error.name, words=words[:300], refused=verdict is KeyVerdict.REFUSED
            )
    return [surroundings.credential_finding(facts)]


async def _secrets(settings: Settings, clock: Clock) -> list[DoctorFinding]:
    sources = SecretSources(settings.secrets, os.environ, clock)
    statuses = await asyncio.to_thread(check_secrets, settings, sources.read)
    return [surroundings.secret_finding(each.setting, each.place, each.error) for each, _ in statuses]


def _with_readable_secrets(settings: Settings, clock: Clock) -> Settings:
    """Return the settings with the secrets that can be read, and `UNREAD` for the others. Blocks."""
    sources = SecretSources(settings.secrets, os.environ, clock)

    def read(reference: SecretReference) -> str:
        try:
            return sources.read(reference).text
        except SecretError:
            return UNREAD

    return with_values(settings, read)


async def _serving(settings: Settings) -> list[DoctorFinding]:
    platform = detected_platform(os.environ, Path("/"))
    server = settings.server
    return list(
        surroundings.serving_findings(
            surroundings.ServingFacts(
                platform=platform.name if platform else "",
                stop_seconds=platform.stop_seconds if platform else None,
                grace_seconds=server.grace,
                keep_alive_seconds=server.keep_alive_seconds,
                ping_seconds=server.ping_seconds,
            )
        )
    )
