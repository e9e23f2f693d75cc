"""The inference routes: plain ASGI, because they are the hot path (docs/decisions/0004)."""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

import structlog

from tidegate.core import endpoints
from tidegate.core.config import ServerConfig
from tidegate.core.errors import ClientGone, TidegateError, WrongMethod
from tidegate.core.events import Failure
from tidegate.core.ids import IdSource
from tidegate.pipeline.context import Request
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.inference.body import read_body
from tidegate.web.inference.disconnect import HangUp, Receive
from tidegate.web.inference.reply import Reply, Send

Scope = MutableMapping[str, Any]

_log = structlog.get_logger("web")


def _nobody(_: Failure) -> None:
    """Nobody counts."""


class Inference:
    """Answers a call on one of the endpoints in `core/endpoints.py`."""

    def __init__(
        self, pipeline: Pipeline, config: ServerConfig, ids: IdSource, failed: Callable[[Failure], None] = _nobody
    ) -> None:
        """`failed` is told of each call that ends with a typed error."""
        self._pipeline = pipeline
        self._config = config
        self._ids = ids
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        reply = Reply(
            send,
            request_id=(request_id := self._ids("req_")),
            ping_seconds=self._config.ping_seconds,
        )
        try:
            await self._answer(scope, receive, reply, request_id)
        except ClientGone as gone:
            self._tell(gone, scope)  # nobody else is there to be told; the ledger has it
        except TidegateError as error:
            self._tell(error, scope)
            await reply.error(error)
        except Exception:  # noqa: BLE001  # a defect of ours: the caller gets an envelope, the log the trace, the process goes on
            _log.exception("unexpected failure", request_id=request_id, path=scope["path"])
            self._tell(TidegateError(), scope)
            await reply.error(TidegateError())
        else:
            if reply.told is not None:
                self._tell(reply.told, scope)

    def _tell(self, error: TidegateError, scope: Scope) -> None:
        self._failed(Failure(error=error.name, route=endpoints.BY_PATH[scope["path"]].label))

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply, request_id: str) -> None:
        if scope["method"] != "POST":
            raise WrongMethod(f"Not allowed to {scope['method']} on {scope['path']}; use POST.")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        config = self._config
        request = Request(
            id=request_id,
            route=endpoints.BY_PATH[scope["path"]],
            authorization=headers.get("authorization", ""),
            headers=headers,
            body=partial(read_body, receive, headers, most=config.max_body_bytes, seconds=config.body_seconds),
        )
        delivery = await self._pipeline.answer(request)
        try:
            async with HangUp(receive, reply, stuck_seconds=config.send_seconds):
                await (reply.stream(delivery) if delivery.wanted.stream else reply.whole(delivery))
        finally:
            await delivery.leave()
