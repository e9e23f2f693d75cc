"""Reads the stored events of a background response, from any event number. Used by EventReader and JobCompletion."""

import msgspec

from tidegate.storage.postgres import Connection, Postgres, queries

_MAX_ROWS = 16
"""A row has at most `event_recorder.MAX_ROW_BYTES`, so a reader holds a few megabytes."""


class LoggedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the events that follow a given event."""

    events: tuple[bytes, ...]
    first_number: int
    """The number of the first event."""
    is_end: bool
    """Whether the job is finished and no event follows."""


class EventLog:
    """Read events. Methods raise PostgresUnavailable if PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._sql = queries("background")

    async def read_after(self, project: str, response_id: str, number: int) -> LoggedEvents | None:
        """Return events after this number, none of which can be discarded later; None if there is no such job."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["events"], response_id, project, number, _MAX_ROWS)
            if rows and rows[0]["content_from"] is not None and not (rows[0]["shown"] or rows[0]["finished"]):
                await connection.execute(self._sql["show"], response_id)
                rows = await connection.fetch(self._sql["events"], response_id, project, number, _MAX_ROWS)
        if not rows:
            return None
        numbered = [
            (row["first"] + offset, event)
            for row in rows
            if row["first"] is not None
            for offset, event in enumerate(split_events(bytes(row["events"])))
        ]
        new_events = [(event_number, event) for event_number, event in numbered if event_number > number]
        return LoggedEvents(
            events=tuple(event for _, event in new_events),
            first_number=new_events[0][0] if new_events else number + 1,
            is_end=rows[0]["finished"] and len(rows) < _MAX_ROWS,
        )

    async def read_all(self, connection: Connection, project: str, response_id: str) -> list[bytes]:
        """Return all events so far through `connection`, without marking them as read by a client."""
        rows = await connection.fetch(self._sql["events"], response_id, project, -1, None)
        return [event for row in rows if row["events"] for event in split_events(bytes(row["events"]))]


def split_events(row: bytes) -> list[bytes]:
    """Split a row into its events: JSON has no line breaks, so a blank line ends each event."""
    return [event + b"\n\n" for event in row.split(b"\n\n") if event]
