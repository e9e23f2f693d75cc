"""One session: takes the client's events and answers as OpenAI does. Responses run beside what the client sends."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from tidegate.core.errors import ClientDisconnected
from tidegate.core.tokenizer import Tokenizer
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.faults import Fault
from tidegate.simulator.options import RequestBehavior
from tidegate.simulator.realtime.conversation import (
    HeardTokens,
    SimulatedConversation,
    audio_tokens,
    decoded_audio,
)
from tidegate.simulator.realtime.responses import PlannedResponse, planned_words
from tidegate.simulator.realtime.settings import check_limit, updated
from tidegate.simulator.realtime.socket import SimulatedSocket
from tidegate.simulator.realtime.speech import SpeechBuffer
from tidegate.simulator.refusal import Refusal, invalid

Json = dict[str, Any]

_LEAST_COMMIT_MS = 100
_ENDS = {Fault.TRUNCATED: 1011, Fault.TRUNCATED_CLEAN: 1000}
"""The faults that close the connection in the middle of a response, and the code of each."""
_TRANSCRIPT = "What is the time of high tide?"

Charge = Callable[[str, TokenUsage, str], None]
"""Bills a model's tokens; the last is how that ended, as the bill says it."""


class SimulatedSession:
    """One session, from its handshake to its end."""

    def __init__(  # noqa: PLR0913  # what a session is made of
        self,
        socket: SimulatedSocket,
        session: Json,
        *,
        tokens: Tokenizer,
        random: Random,
        draw: Callable[[], RequestBehavior],
        charge: Charge,
        new_id: Callable[[str], str],
    ) -> None:
        """`draw` returns the behaviour of the next response."""
        self._socket = socket
        self._session = session
        self._tokens = tokens
        self._random = random
        self._draw = draw
        self._charge = charge
        self._new_id = new_id
        self._items = SimulatedConversation(tokens)
        self._buffer = SpeechBuffer()
        self._responding: asyncio.Task[None] | None = None
        self._cancel_reason: str | None = None
        self._is_cancelled = asyncio.Event()
        self._is_over = asyncio.Event()
        self._handlers: dict[str, Callable[[Json], Awaitable[None]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    async def serve(self) -> None:
        """Serve until one side closes."""
        await self._socket.send({"type": "session.created", "session": self._session})
        reading, over = asyncio.create_task(self._read()), asyncio.create_task(self._is_over.wait())
        try:
            await asyncio.wait({reading, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, over, self._responding):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, ClientDisconnected):
                        await task

    async def _read(self) -> None:
        while True:
            event: Json = {}
            try:
                event = await self._socket.receive()
                handler = self._handlers.get(event["type"])
                if handler is None:
                    message = f"Invalid value: '{event['type']}'."
                    raise invalid(message, param="type", code="invalid_value")
                await handler(event)
            except Refusal as refused:
                await self._socket.send_error(refused, event.get("event_id"))
            except ClientDisconnected:
                return

    # what clients send

    async def _update(self, event: Json) -> None:
        self._session = updated(self._session, event.get("session"))
        await self._socket.send({"type": "session.updated", "session": self._session})

    async def _append(self, event: Json) -> None:
        self._buffer.add(decoded_audio(event.get("audio")))
        turns = self._spoken.get("turn_detection")
        if not turns:
            return
        moment, item_id = self._buffer.moment_ms(narrow=self._is_narrow), self._new_id("item_")
        if self._buffer.begins():
            await self._socket.send(
                {"type": "input_audio_buffer.speech_started", "audio_start_ms": moment, "item_id": item_id}
            )
            if turns.get("interrupt_response", True):
                await self._stop("turn_detected")
        if self._buffer.stops(int(turns.get("silence_duration_ms") or 200), narrow=self._is_narrow):
            stopped = {"audio_end_ms": moment, "item_id": item_id}
            await self._socket.send({"type": "input_audio_buffer.speech_stopped", **stopped})
            await self._take_speech(item_id)
            if turns.get("create_response", True) and self._session["type"] == "realtime":
                self._respond({})

    async def _commit(self, _: Json) -> None:
        if self._buffer.audio == b"":
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {_LEAST_COMMIT_MS}ms of "
                "audio, but buffer only has 0.00ms of audio."
            )
            raise invalid(message, code="input_audio_buffer_commit_empty")
        await self._take_speech(self._new_id("item_"))

    async def _take_speech(self, item_id: str) -> None:
        """Make an item of the audio that was said, and write it down if the session wants that."""
        heard = HeardTokens(audio=audio_tokens(self._buffer.take(), narrow=self._is_narrow))
        part: Json = {"type": "input_audio", "transcript": None}
        item = {"id": item_id, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        before = self._items.add({**item, "content": [part]}, heard)
        await self._socket.send(
            {"type": "input_audio_buffer.committed", "previous_item_id": before, "item_id": item_id}
        )
        await self._send_item({**item, "content": [part]}, before)
        transcription = self._spoken.get("transcription")
        if transcription:
            await self._transcribe(item_id, heard.audio, str(transcription.get("model", "whisper-1")))

    async def _transcribe(self, item_id: str, audio: int, model: str) -> None:
        place: Json = {"item_id": item_id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        words = self._tokens.count(_TRANSCRIPT)
        usage: Json = {"type": "duration", "seconds": audio / 10}
        if model.startswith("gpt-"):
            details = {"text_tokens": 0, "audio_tokens": audio}
            usage = {"type": "tokens", "total_tokens": audio + words, "input_tokens": audio,
                     "input_token_details": details, "output_tokens": words}  # fmt: skip
            self._charge(model, TokenUsage(input=audio, input_audio=audio, output=words), "served")
        await self._socket.send({"type": f"{kind}.delta", **place, "delta": _TRANSCRIPT})
        await self._socket.send({"type": f"{kind}.completed", **place, "transcript": _TRANSCRIPT, "usage": usage})

    async def _clear(self, _: Json) -> None:
        self._buffer.take()
        await self._socket.send({"type": "input_audio_buffer.cleared"})

    async def _create_item(self, event: Json) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            raise invalid("Missing required parameter: 'item'.", param="item", code="missing_required_parameter")
        if item.get("type") not in ("message", "function_call", "function_call_output"):
            raise invalid(f"Invalid value: '{item.get('type')}'.", param="item.type", code="invalid_value")
        if item["type"] == "message" and not isinstance(item.get("content"), list):
            raise invalid("Missing required parameter: 'item.content'.", param="item.content")
        known = {"object": "realtime.item", "status": "completed", **item}
        known["id"] = item.get("id") or self._new_id("item_")
        await self._send_item(known, self._items.add(known))

    async def _send_item(self, item: Json, before: str | None) -> None:
        for end in ("added", "done"):
            await self._socket.send({"type": f"conversation.item.{end}", "previous_item_id": before, "item": item})

    async def _delete_item(self, event: Json) -> None:
        self._items.remove(event.get("item_id"))
        await self._socket.send({"type": "conversation.item.deleted", "item_id": event["item_id"]})

    async def _retrieve_item(self, event: Json) -> None:
        item = self._items.find(event.get("item_id"))
        await self._socket.send({"type": "conversation.item.retrieved", "item": item})

    async def _truncate_item(self, event: Json) -> None:
        self._items.find(event.get("item_id"))
        place = {name: event.get(name, 0) for name in ("item_id", "content_index", "audio_end_ms")}
        await self._socket.send({"type": "conversation.item.truncated", **place})

    async def _create_response(self, event: Json) -> None:
        if self._session["type"] != "realtime":
            raise invalid("Responses cannot be created in a transcription session.", code="invalid_value")
        asked = event.get("response") or {}
        if not isinstance(asked, dict):
            raise invalid("Invalid type for 'response': expected an object.", param="response", code="invalid_type")
        check_limit(asked.get("max_output_tokens", "inf"), "response.max_output_tokens")
        if self._responding is not None and not self._responding.done():
            raise invalid(
                "Conversation already has an active response in progress. Wait until the response is finished.",
                code="conversation_already_has_active_response",
            )
        self._respond(asked)

    async def _cancel_response(self, _: Json) -> None:
        if self._responding is None or self._responding.done():
            raise invalid("Cancellation failed: no active response found", code="response_cancel_not_active")
        await self._stop("client_cancelled")

    # responses

    async def _stop(self, reason: str) -> None:
        """Have the response in progress end, and wait until it has."""
        if self._responding is not None and not self._responding.done():
            self._cancel_reason = reason
            self._is_cancelled.set()
            await self._responding

    def _respond(self, asked: Json) -> None:
        if self._responding is not None and not self._responding.done():
            return
        self._cancel_reason = None
        self._is_cancelled.clear()
        how = self._draw()
        self._responding = asyncio.create_task(self._say(self._plan(asked, how), how), name="simulated-response")

    def _plan(self, asked: Json, how: RequestBehavior) -> PlannedResponse:
        session = {**self._session, **asked}
        modality = "text" if session["output_modalities"] == ["text"] else "audio"
        heard, cached = self._items.input_tokens(str(session.get("instructions") or ""))
        limit = session.get("max_output_tokens") or "inf"
        tool = self._tool(session)
        kind = "text" if tool else modality
        words, spoken, is_cut = planned_words(self._random, self._tokens, how.tokens, limit, kind)
        return PlannedResponse(
            id=self._new_id("resp_"),
            item_id=self._new_id("item_"),
            conversation_id=None if asked.get("conversation") == "none" else "conv_simulated",
            modality=modality,
            voice=str(self._session["audio"]["output"]["voice"]),
            limit=limit,
            metadata=asked.get("metadata"),
            heard=heard,
            cached=cached,
            words=('{"question":"', *words, '"}') if tool else tuple(words),
            audio_tokens=spoken,
            is_cut=is_cut,
            call={"name": tool, "call_id": self._new_id("call_")} if tool else None,
        )

    def _tool(self, session: Json) -> str:
        """Return the function that the response calls: one that is required, or named by its choice."""
        choice, tools = session.get("tool_choice"), session.get("tools") or []
        if isinstance(choice, dict):
            return str(choice.get("name", ""))
        return str(tools[0].get("name", "")) if choice == "required" and tools else ""

    async def _say(self, plan: PlannedResponse, how: RequestBehavior) -> None:
        """Send a response; whatever happens to it, what was sent of it is billed."""
        sent, end = 0, "broken"
        try:
            for event in plan.opening():
                await self._socket.send(event)
            await self._pause(how.latency + how.ttft)
            for delta in plan.deltas():
                if self._cancel_reason is not None:
                    break
                if sent == plan.parts // 2 and await self._strike(how.fault):
                    return
                for event in delta:
                    await self._socket.send(event)
                sent += 1
                await self._pause(1 / how.tps if how.tps else 0.0)
            end = "served" if self._cancel_reason is None else "cancelled"
            await self._finish(plan, sent, how)
        except ClientDisconnected:
            end = "cancelled"
            raise
        finally:
            self._charge(str(self._session["model"]), plan.billed(sent), end)

    async def _pause(self, seconds: float) -> None:
        """Wait, until the response is to end."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._is_cancelled.wait()
        await asyncio.sleep(0)  # events of the client have their turn

    async def _strike(self, fault: Fault | None) -> bool:
        """Let a fault strike in the middle of a response; return whether it ended the session."""
        if fault is Fault.MALFORMED:
            await self._socket.send_text('{"type":"response.output_text.delta","delta":"')
        elif fault is Fault.STALL:
            await asyncio.Event().wait()
        elif fault in _ENDS:
            await self._socket.close(_ENDS[fault])
            self._is_over.set()
            return True
        return False

    async def _finish(self, plan: PlannedResponse, sent: int, how: RequestBehavior) -> None:
        status, details = self._status(plan, how.fault)
        item_status = "completed" if status == "completed" else "incomplete"
        for event in plan.closing(item_status, sent):
            await self._socket.send(event)
        if plan.conversation_id is not None:
            self._items.add(plan.item(item_status, sent), plan.output_tokens(sent))
        limits = [{"name": "tokens", "limit": 20000, "remaining": 19000, "reset_seconds": 0.1}]
        await self._socket.send({"type": "rate_limits.updated", "rate_limits": limits})
        usage = None if how.fault is Fault.MISSING_USAGE else plan.usage(sent)
        output = [plan.item(item_status, sent)]
        done = plan.document(status, output=output, usage=usage, details=details)
        await self._socket.send({"type": "response.done", "response": done})

    def _status(self, plan: PlannedResponse, fault: Fault | None) -> tuple[str, Json | None]:
        if self._cancel_reason is not None:
            return "cancelled", {"type": "cancelled", "reason": self._cancel_reason}
        if fault is Fault.ERROR_IN_STREAM:
            error = {"type": "server_error", "code": None, "message": "The server had an error."}
            return "failed", {"type": "failed", "error": error}
        if plan.is_cut:
            return "incomplete", {"type": "incomplete", "reason": "max_output_tokens"}
        return "completed", None

    @property
    def _spoken(self) -> Json:
        """The settings of what the user says."""
        settings: Json = self._session["audio"]["input"]
        return settings

    @property
    def _is_narrow(self) -> bool:
        kind = (self._spoken.get("format") or {}).get("type", "")
        return str(kind).endswith(("pcmu", "pcma"))
