"""Looks single calls up in the ledger. Used by `tidegate calls` and the admin API."""

import msgspec

from tidegate.core.errors import CallNotFound
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.metering.reports.call_filter import ALL_CALLS, CallFilter
from tidegate.storage.postgres import Postgres, queries

MAX_ENTRIES = 20
"""Entries of one call that are shown: a call that was taken over has several."""
MAX_RECEIVERS = 10_000
"""Up to which the receivers of an answer are counted."""
_SUFFIX = "-again"
"""What the id of an entry ends with where a call made a second one."""
_decoder = msgspec.json.Decoder(LedgerEntry)


class CallHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of one call."""

    entries: tuple[LedgerEntry, ...]
    """The latest first; one, unless the call took another one over."""
    receivers: int
    """How many other calls received its answer, up to MAX_RECEIVERS."""


class CallPosition(msgspec.Struct, frozen=True):
    """The last call of a page."""

    at: float
    """Unix seconds."""
    id: str


class CallLookUp:
    """Read single calls."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._sql = queries("calls")

    async def find(self, request_id: str) -> CallHistory:
        """Return the call with this `x-request-id`, or with this id at the upstream.

        Raises CallNotFound and PostgresUnavailable.
        """
        ids = [request_id, request_id + _SUFFIX, request_id + 2 * _SUFFIX]
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["find"], request_id, ids, MAX_ENTRIES)
            if not rows:
                raise CallNotFound(
                    f"The ledger has no call {request_id!r}. A call that has just ended is there within seconds; a "
                    "call without a valid key is only in the log."
                )
            entries = tuple(_decoder.decode(row["entry"]) for row in rows)
            receivers = await connection.fetchval(self._sql["receivers"], entries[0].id, MAX_RECEIVERS)
        return CallHistory(entries=entries, receivers=int(receivers))

    async def list(  # a parameter for each bound
        self,
        calls: CallFilter = ALL_CALLS,
        *,
        since: float,
        until: float,
        limit: int,
        only_errors: bool = False,
        after: CallPosition | None = None,
    ) -> list[LedgerEntry]:
        """Return the calls from `since` until before `until` (Unix seconds), the latest first, at most `limit`.

        `only_errors` leaves out answered calls and clients that left. Raises ProjectNotFound, ApiKeyNotFound and
        PostgresUnavailable.
        """
        condition = self._sql["failed"] if only_errors else "true"
        statement = self._sql["list"].replace("{condition}", condition)
        position = (None, None) if after is None else (after.id, after.at)
        async with self._postgres.connection() as connection:
            await calls.check_known(connection)
            rows = await connection.fetch(statement, since, until, limit, *position, *calls.sql_values)
        return [_decoder.decode(row["entry"]) for row in rows]
