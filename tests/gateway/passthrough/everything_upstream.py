"""An upstream where every object exists, whoever asks: what keeps projects apart is the gateway alone."""

import itertools

from aiohttp import web

from tests.gateway.passthrough.upstream import OperationUpstream, Received
from tidegate.wire.operations import table
from tidegate.wire.operations.operation import ObjectKind, Operation

PREFIXES = {
    ObjectKind.FILE: "file-",
    ObjectKind.UPLOAD: "upload_",
    ObjectKind.BATCH: "batch_",
    ObjectKind.VECTOR_STORE: "vs_",
    ObjectKind.FINE_TUNING_JOB: "ftjob-",
    ObjectKind.CONTAINER: "cntr_",
    ObjectKind.VIDEO: "video_",
    ObjectKind.CHARACTER: "char_",
    ObjectKind.EVAL: "eval_",
    ObjectKind.SKILL: "skill_",
    ObjectKind.VOICE: "voice_",
    ObjectKind.VOICE_CONSENT: "cons_",
}
"""What the ids of each kind begin with. A fine-tuned model is made by its job."""


class EverythingUpstream(OperationUpstream):
    """Makes an object for each request that makes one, and has every object that is named."""

    def __init__(self) -> None:
        """Nothing has been made yet."""
        super().__init__({})
        self._numbers = itertools.count(1)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.begun += 1
        body = await request.read()
        self.received.append(Received(request.method, request.path, "", request.headers.copy(), body))
        found = table.find(request.method, request.path)
        if found is None:
            return web.json_response({"id": "anything", "object": "anything"})
        return web.json_response(self._document(found.operation, dict(found.parameters)))

    def _document(self, operation: Operation, parameters: dict[str, str]) -> dict[str, object]:
        object_id = next(iter(parameters.values()), "anything")
        if operation.makes is not None:
            object_id = f"{PREFIXES[operation.makes]}{next(self._numbers):024x}"
        document: dict[str, object] = {"id": object_id, "object": "anything", "created_at": 1_790_000_000}
        if operation.label == "fine_tuning.jobs.retrieve":
            document |= {"object": "fine_tuning.job", "fine_tuned_model": f"ft:gpt-4o:acme::{object_id[-8:]}"}
        return document if operation.made_at == ("id",) else {operation.made_at[0]: document}
