"""How many processes there are: whoever keeps a limit alone, while Redis is away, keeps its share."""


class Replicas:
    """The number last counted in Redis, where each process says that it lives (`tidegate/storage/lua/alive.lua`)."""

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def __repr__(self) -> str:
        return f"<Replicas: {self.count}>"

    def set_count(self, count: int) -> None:
        """So many live, this one among them."""
        self.count = max(1, count)

    def share(self, limit: int) -> int:
        """This process's part of a limit; of one that allows anything, at least 1."""
        return max(1, limit // self.count) if limit else 0
