"""What our own parts did wrong."""

from tidegate.core.errors.base import TidegateError


class StoreError(TidegateError):
    """A store this gateway depends on did not answer."""

    name = "store"
    code = "store_unavailable"
    retryable = True


class RedisUnavailable(StoreError):
    """Redis did not answer in time. Calls go on without cache; look at `TIDEGATE_REDIS_URL` and the server."""

    name = "redis_unavailable"
    code = "redis_unavailable"


class PostgresUnavailable(StoreError):
    """PostgreSQL did not answer in time. Look at `TIDEGATE_DATABASE_URL` and the server."""

    name = "postgres_unavailable"
    code = "postgres_unavailable"


class LedgerUnavailable(StoreError):
    """Neither Redis nor this gateway's disk (`metering.spool_dir`) takes a call's line in the ledger: none is made."""

    name = "ledger_full"
    code = "ledger_unavailable"


class OutOfFileDescriptors(StoreError):
    """This gateway has no file descriptor left for another connection. Raise its limit, `ulimit -n`."""

    name = "no_descriptors"
    code = "no_descriptors"
