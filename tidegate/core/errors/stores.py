"""Errors of the gateway's own stores and resources."""

from typing import Self

from tidegate.core.errors.base import TidegateError


class StoreError(TidegateError):
    """A store that the gateway depends on did not answer. Retry."""

    name = "store_unavailable"
    retryable = True
    is_outage: bool = False
    """Whether the store is away as a whole. Only its connection logs that."""

    def as_refusal(self) -> Self:
        """Return the error, as one of a store that answers, but did not do what it was asked."""
        self.is_outage = False
        return self


class RedisUnavailable(StoreError):
    """Redis did not answer in time, and this request needs it. Operators: check `TIDEGATE_REDIS_URL` and the server."""

    name = "redis_unavailable"
    is_outage = True


class PostgresUnavailable(StoreError):
    """PostgreSQL did not answer in time. Operators: check `TIDEGATE_DATABASE_URL` and the server."""

    name = "postgres_unavailable"
    is_outage = True


class StatementPooling(PostgresUnavailable):
    """PostgreSQL is not used: the pooler at `TIDEGATE_DATABASE_URL` is in statement mode; set pool_mode=transaction."""

    name = "statement_pooling"
    retryable = False
    is_outage = False


class LedgerUnavailable(StoreError):
    """The request was not sent: its ledger entry could be written neither to Redis nor to `metering.spool_dir`."""

    name = "ledger_unavailable"


class OutOfFileDescriptors(StoreError):
    """The gateway has no file descriptor for another connection, so the request was not sent. Raise `ulimit -n`."""

    name = "out_of_file_descriptors"


class ShuttingDown(TidegateError):
    """The gateway shut down before the request was answered. Retry: another process will answer."""

    name = "shutting_down"
    retryable = True
    may_be_charged = True
