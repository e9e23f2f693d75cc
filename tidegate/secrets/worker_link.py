"""What a worker of several and the process that watches for all of them say to each other about secrets."""

from multiprocessing.connection import Connection

import msgspec

from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.feed import SecretFeed
from tidegate.secrets.watch import SecretReport


class ReadSecret(msgspec.Struct, frozen=True):
    """A worker asks that a secret be read: its key was refused."""

    reference: SecretReference


class SecretInUse(msgspec.Struct, frozen=True):
    """A worker has taken a new secret into use, so a worker that starts now may begin with it."""

    report: SecretReport


class WorkerLink:
    """The worker's side. Implements `tidegate.secrets.link.WatchLink`."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is this worker's side of its supervisor's pipe."""
        self._connection = connection
        self._feed: SecretFeed | None = None
        self._early: list[SecretReport] = []

    def __repr__(self) -> str:
        return f"<WorkerLink: {'connected' if self._feed is not None else 'not connected'}>"

    async def start(self, feed: SecretFeed) -> None:
        """Deliver to `feed` from now on."""
        self._feed = feed

    async def close(self) -> None:
        """Deliver no more."""
        self._feed = None

    def ask(self, reference: SecretReference) -> None:
        """Have a secret read soon."""
        self._connection.send(ReadSecret(reference))

    def take_message(self, message: object) -> None:
        """Deliver what the supervisor sends, in the running event loop."""
        if isinstance(message, SecretReport) and self._feed is not None:
            self._feed.take(message, on_used=self._tell_used)

    def _tell_used(self, report: SecretReport) -> None:
        self._connection.send(SecretInUse(report))
