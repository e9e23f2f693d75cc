"""The two clients of the transport, and which of them a test is played with."""

from tidegate.providers.transport import Transport

CLIENTS = ("own", "library")


class PlayedClient:
    """Which client the transports of a test use."""

    name = CLIENTS[0]


PLAYED = PlayedClient()


def transport(*, max_connections: int = 100) -> Transport:
    """Return a transport that sends by the client that is played."""
    return Transport(max_connections=max_connections, always_by_library=PLAYED.name == "library")
