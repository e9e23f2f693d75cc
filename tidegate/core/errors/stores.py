"""Errors of the gateway's own stores and resources."""

from tidegate.core.errors.base import TidegateError


class StoreError(TidegateError):
    """A store that the gateway depends on did not answer. Retry."""

    name = "store_unavailable"
    retryable = True


class RedisUnavailable(StoreError):
    """Redis did not answer in time, and this request needs it. Operators: check `TIDEGATE_REDIS_URL` and the server."""

    name = "redis_unavailable"


class PostgresUnavailable(StoreError):
    """PostgreSQL did not answer in time. Operators: check `TIDEGATE_DATABASE_URL` and the server."""

    name = "postgres_unavailable"


class LedgerUnavailable(StoreError):
    """The request was not sent: its ledger entry could be written neither to Redis nor to `metering.spool_dir`."""

    name = "ledger_unavailable"


class OutOfFileDescriptors(StoreError):
    """The gateway has no file descriptor for another connection, so the request was not sent. Raise `ulimit -n`."""

    name = "out_of_file_descriptors"
