"""Findings on PostgreSQL, Redis, the ledger's way between them, and the spool. Pure."""

from collections.abc import Iterator

import msgspec

from tidegate.doctor.finding import DoctorFinding, bad, doubtful, good

SLOW_SECONDS = 0.1
"""A round trip to a store of the same region takes a few milliseconds."""
BACKLOG_DOUBTFUL, BACKLOG_BAD = 1_000, 100_000
_FULL_DOUBTFUL, _FULL_BAD = 0.75, 0.95
_MIN_FREE_BYTES = 100 * 1024 * 1024
_NO_EVICTION = "noeviction"


class PostgresFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What PostgreSQL says of itself."""

    seconds: float
    """A round trip."""
    encoding: str = "UTF8"
    missing_steps: tuple[str, ...] = ()
    read_only: bool = False
    allowed_connections: int = 100
    """For all clients, without those kept for superusers."""
    other_connections: int = 0
    """Open ones of other programs."""
    pool_size: int = 10
    workers: int = 1


class RedisFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis says of itself."""

    seconds: float
    policy: str = _NO_EVICTION
    used_bytes: int = 0
    limit_bytes: int | None = None
    read_only: bool = False


class LedgerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Ledger entries on their way to PostgreSQL."""

    in_stream: int = 0
    rejected: int = 0
    """Entries that the table could not hold."""


class SpoolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The folder for ledger entries while Redis is down."""

    folder: str
    writable: bool = True
    entries: int = 0
    free_bytes: int = 10**12


def postgres_findings(facts: PostgresFacts) -> Iterator[DoctorFinding]:
    """Yield the findings on PostgreSQL."""
    yield _speed("postgres_speed", "PostgreSQL", facts.seconds)
    if facts.encoding != "UTF8":
        yield bad(
            "postgres_encoding",
            f"The database's encoding is {facts.encoding}: it cannot hold every text.",
            "Make a database with ENCODING 'UTF8' and point TIDEGATE_DATABASE_URL at it.",
        )
    if facts.missing_steps:
        yield bad(
            "postgres_schema",
            f"The database lacks {', '.join(facts.missing_steps)}.",
            "Run `tidegate migrate`.",
        )
    if facts.read_only:
        yield bad(
            "postgres_writable",
            "PostgreSQL takes no writes: it is a standby, or its disk is full.",
            "Point TIDEGATE_DATABASE_URL at the primary, or give it more disk.",
        )
    wanted = facts.pool_size * facts.workers
    free = facts.allowed_connections - facts.other_connections
    if wanted > free:
        yield bad(
            "postgres_pool",
            f"{facts.workers} workers may open {wanted} connections, and PostgreSQL has {free} for this replica.",
            f"Set database.pool_size to {max(1, free // facts.workers)} or less, or raise max_connections.",
        )
    else:
        yield good("postgres_pool", f"{wanted} connections at most, of {free} that are free.")


def redis_findings(facts: RedisFacts) -> Iterator[DoctorFinding]:
    """Yield the findings on Redis."""
    yield _speed("redis_speed", "Redis", facts.seconds)
    if facts.policy.startswith("allkeys"):
        yield bad("redis_policy", f"Redis drops any key at its limit ({facts.policy}): budgets and the ledger, too.",
                  "Set maxmemory-policy to noeviction.")  # fmt: skip
    elif facts.policy != _NO_EVICTION:
        yield doubtful("redis_policy", f"Redis drops keys with an end at its limit ({facts.policy}): counters, too.",
                       "Set maxmemory-policy to noeviction.")  # fmt: skip
    if facts.read_only:
        yield bad(
            "redis_writable", "Redis takes no writes: it is a replica.", "Point TIDEGATE_REDIS_URL at the primary."
        )
    if facts.limit_bytes:
        ratio = facts.used_bytes / facts.limit_bytes
        text = f"Redis uses {ratio:.0%} of its memory."
        remedy = "Give Redis more memory, or lower cache.memory_ratio."
        if ratio >= _FULL_BAD:
            yield bad("redis_memory", text, remedy)
        elif ratio >= _FULL_DOUBTFUL:
            yield doubtful("redis_memory", text, remedy)
        else:
            yield good("redis_memory", text)


def ledger_findings(facts: LedgerFacts) -> Iterator[DoctorFinding]:
    """Yield the findings on ledger entries that are not in PostgreSQL."""
    text = f"{facts.in_stream:,} ledger entries wait in Redis for PostgreSQL."
    remedy = "See whether PostgreSQL is up, and whether a gateway process runs: it moves them."
    if facts.in_stream >= BACKLOG_BAD:
        yield bad("ledger_backlog", text, remedy)
    elif facts.in_stream >= BACKLOG_DOUBTFUL:
        yield doubtful("ledger_backlog", text, remedy)
    else:
        yield good("ledger_backlog", text)
    if facts.rejected:
        yield doubtful(
            "ledger_rejected",
            f"The ledger's table could not hold {facts.rejected:,} entries.",
            "Read the column `reason` of the table ledger_rejected.",
        )


def spool_findings(facts: SpoolFacts) -> Iterator[DoctorFinding]:
    """Yield the findings on the spool."""
    if not facts.writable:
        yield bad(
            "spool",
            f"{facts.folder} cannot be written: without it and without Redis, calls are rejected.",
            "Let the gateway's user write there, or set metering.spool_dir to another folder.",
        )
    elif facts.free_bytes < _MIN_FREE_BYTES:
        yield bad("spool", f"{facts.folder} has {facts.free_bytes:,} bytes free.", "Free space on that disk.")
    elif facts.entries:
        yield doubtful(
            "spool",
            f"{facts.entries:,} ledger entries wait in {facts.folder}.",
            "See whether Redis and PostgreSQL are up. A gateway process that starts with this folder moves them.",
        )
    else:
        yield good("spool", f"{facts.folder} can be written and is empty.")


def _speed(check: str, name: str, seconds: float) -> DoctorFinding:
    text = f"{name} answers in {seconds * 1000:.1f} ms."
    if seconds < SLOW_SECONDS:
        return good(check, text)
    return doubtful(check, text, f"Put {name} into the gateway's region, and see whether it is overloaded.")
