"""A stream that begins from one of FastAPI's routes, sent as those of the inference routes are."""

from fastapi import Response

from tidegate.core.config import ServerConfig
from tidegate.core.errors import ClientGone, TidegateError
from tidegate.pipeline.delivery import Passage
from tidegate.web.inference.disconnect import HangUp, Receive
from tidegate.web.inference.endpoint import Scope
from tidegate.web.inference.reply import Reply, Send


class Streamed(Response):
    """Sends what a passage brings, with heartbeats, until its end or the client's."""

    def __init__(self, passage: Passage, config: ServerConfig, request_id: str) -> None:
        super().__init__()
        self._passage = passage
        self._config = config
        self._request_id = request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Send it (ASGI 3)."""
        reply = Reply(send, request_id=self._request_id, ping_seconds=self._config.ping_seconds)
        try:
            async with HangUp(receive, reply, stuck_seconds=self._config.send_seconds):
                await reply.stream(self._passage)
        except ClientGone:
            return
        except TidegateError as error:
            await reply.error(error)
        finally:
            await self._passage.leave()
