"""The number of gateway processes: while Redis is away, each process enforces its share of every limit.

`Waiters` updates the number every second; `LocalLimits` and `LocalCapacity` read it.
"""


class Replicas:
    """The number of processes that have announced themselves in Redis, see `announce_process.lua`."""

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def __repr__(self) -> str:
        return f"<Replicas: {self.count}>"

    def set_count(self, count: int) -> None:
        """Set the number of live processes, this one included."""
        self.count = max(1, count)

    def share(self, limit: int) -> int:
        """Return this process's share of a limit: at least 1, unless the limit is 0."""
        return max(1, limit // self.count) if limit else 0
