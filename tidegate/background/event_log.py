"""The events of a background response, read from any number on, by whoever its project is."""

import msgspec

from tidegate.storage.postgres import Connection, Postgres, queries

_MAX_ROWS = 16
"""A row has at most `recorder.MOST_IN_A_ROW` bytes, so a reader holds a few megabytes."""


class LoggedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """What was said after a certain event."""

    events: tuple[bytes, ...]
    first_number: int
    """The number of the first of them."""
    is_end: bool
    """Nothing will follow these."""


class EventLog:
    """The events. Its methods raise PostgresUnavailable when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("background")

    async def read_after(self, project: str, response_id: str, number: int) -> LoggedEvents | None:
        """Some of the events after this number, and never one that could still be taken back; None for no such job."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["events"], response_id, project, number, _MAX_ROWS)
            if rows and rows[0]["content_from"] is not None and not (rows[0]["shown"] or rows[0]["finished"]):
                await connection.execute(self._sql["show"], response_id)
                rows = await connection.fetch(self._sql["events"], response_id, project, number, _MAX_ROWS)
        if not rows:
            return None
        numbered = [
            (row["first"] + place, event)
            for row in rows
            if row["first"] is not None
            for place, event in enumerate(split_events(bytes(row["events"])))
        ]
        wanted = [(at, event) for at, event in numbered if at > number]
        return LoggedEvents(
            events=tuple(event for _, event in wanted),
            first_number=wanted[0][0] if wanted else number + 1,
            is_end=rows[0]["finished"] and len(rows) < _MAX_ROWS,
        )

    async def read_all(self, connection: Connection, project: str, response_id: str) -> list[bytes]:
        """Everything that was said so far, without its having been seen by anybody; by way of `connection`."""
        rows = await connection.fetch(self._sql["events"], response_id, project, -1, None)
        return [event for row in rows if row["events"] for event in split_events(bytes(row["events"]))]


def split_events(row: bytes) -> list[bytes]:
    """The events that were joined into one row: JSON has no line breaks, so a blank line ends each."""
    return [event + b"\n\n" for event in row.split(b"\n\n") if event]
