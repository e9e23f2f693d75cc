"""Purges stored answers before they expire: all, or those of a request, a model or a project.

Used by `tidegate cache purge` and the admin API. A call in progress stores nothing that a purge since its beginning
selects: the purge leaves a note in Redis, which the script `settle` reads. A purge ends when processes no longer give
the answers from memory (`near_answers.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from tidegate.cache.near_answers import NEAR_SECONDS, Pause
from tidegate.core.errors import InvalidParameter
from tidegate.storage.names import RedisNames, escape
from tidegate.storage.redis import RedisLink, Script

CLOCK_SKEW_SECONDS = 10.0
"""Seconds by which the clocks of Redis and of the processes may differ. Calls of that time are not stored either."""
MAX_NOTES = 1000
_NOTE_SECONDS = 2 * 86_400
"""Longer than any call takes."""
_BATCH_SIZE = 500
"""Answers looked at in one step; it stops Redis for about two milliseconds."""


class PurgeSelection(msgspec.Struct, frozen=True, kw_only=True):
    """What is purged: answers for which all that is given is true; with nothing given, all answers."""

    project: str | None = None
    model: str | None = None
    """As callers name it."""
    request_id: str | None = None
    """Of the call that stored the answer. Give nothing else with it."""

    @staticmethod
    def of(*, project: str | None, model: str | None, request_id: str | None, everything: bool) -> "PurgeSelection":
        """Return what an operator selects. Raises InvalidParameter where that is nothing, or contradicts itself."""
        named = [text for text in (project, model, request_id) if text is not None]
        if everything == bool(named) or "" in named or (request_id is not None and len(named) > 1):
            raise InvalidParameter(
                "Nothing was purged: name a project, a model or both, or a request id alone, or all answers alone."
            )
        return PurgeSelection(project=project, model=model, request_id=request_id)

    @property
    def note(self) -> str:
        """Return the field of the note; `settle.lua` builds the same ones."""
        if self.request_id is not None:
            return f"request:{escape(self.request_id)}"
        parts = {"project": self.project, "model": self.model}
        return ":".join(f"{name}:{escape(text)}" for name, text in parts.items() if text is not None) or "all"


class AnswerPurge:
    """Purge stored answers. Raises RedisUnavailable: then a part may be left, and the same purge goes on with it."""

    def __init__(self, link: RedisLink, *, prefix: str, pause: Pause = asyncio.sleep) -> None:
        """`prefix` begins the names of Redis keys."""
        self._link = link
        self._pause = pause
        self._names = RedisNames(prefix)
        self._begin = Script("answers_purge_begin")
        self._purge = Script("answers_purge")

    async def purge(self, selection: PurgeSelection) -> int:
        """Delete the answers; return how many there were."""
        note = (self._names.tag, selection.note, CLOCK_SKEW_SECONDS, MAX_NOTES, _NOTE_SECONDS)
        await self._link.run(self._begin, (), note)
        count = 0
        if selection.project is not None:  # answers of an older release do not say their project; its index does
            async for batch in self._named_in_index(selection.project):
                count += await self._purge_batch(selection, batch, index=escape(selection.project))
        async for batch in self._all_answers():
            count += await self._purge_batch(selection, batch, index="")
        await self._pause(NEAR_SECONDS)
        return count

    async def purge_answer(self, fingerprint: str) -> int:
        """Delete the answer with this fingerprint, the id of a semantic answer; return 1, or 0 if there is none."""
        key = self._names.of("answer", fingerprint)
        request_id = await self._link.command("HGET", key, "by")
        if request_id:  # the same call may be about to store it
            selection = PurgeSelection(request_id=request_id.decode())
            note = (self._names.tag, selection.note, CLOCK_SKEW_SECONDS, MAX_NOTES, _NOTE_SECONDS)
            await self._link.run(self._begin, (), note)
        return await self._purge_batch(PurgeSelection(), [key], index="")

    async def _purge_batch(self, selection: PurgeSelection, keys: Sequence[str | bytes], *, index: str) -> int:
        if not keys:
            return 0
        project = "" if selection.project is None else escape(selection.project)
        args = (self._names.tag, project, selection.model or "", selection.request_id or "", index)
        return int(await self._link.run(self._purge, keys, args))

    async def _named_in_index(self, project: str) -> AsyncIterator[list[str | bytes]]:
        begin, cursor = self._names.start("answer").encode(), b"0"
        while True:
            cursor, found = await self._link.command(
                "ZSCAN", self._names.of("answers_in", project), cursor, "COUNT", _BATCH_SIZE
            )
            yield [begin + fingerprint for fingerprint in found[::2] if fingerprint]
            if cursor == b"0":
                return

    async def _all_answers(self) -> AsyncIterator[list[str | bytes]]:
        pattern, cursor = f"{self._names.start('answer')}*", b"0"
        while True:
            cursor, keys = await self._link.command("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH_SIZE)
            yield keys
            if cursor == b"0":
                return
