"""The library's client answers as Tidegate's own does; the contract itself is played in the files beside this one."""

from typing import Any

import pytest

from tests.providers.servers import OK, sending_parts, serve
from tests.providers.test_transport import way
from tidegate.providers import transport
from tidegate.providers.http.library_client import LibraryAnswer, LibraryClient


class CountedClient(LibraryClient):
    """Counts what is sent by it."""

    sent = 0

    async def send(self, *call: Any) -> LibraryAnswer:
        type(self).sent += 1
        return await super().send(*call)


@pytest.mark.parametrize("by_library", [True, False])
async def test_both_clients_give_the_same_headers(by_library: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LibraryClient", CountedClient)
    monkeypatch.setattr(CountedClient, "sent", 0)
    answer = OK.replace(b"content-type", b"X-One: 1\r\nx-one: 2\r\nContent-Type")
    async with (
        serve(sending_parts(answer)) as server,
        transport.Transport(max_connections=1, always_by_library=by_library) as sender,
    ):
        exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert await exchange.read_all() == b"{}"
    assert exchange.headers == {"x-one": "1", "content-type": "application/json", "content-length": "2"}
    assert CountedClient.sent == int(by_library)
