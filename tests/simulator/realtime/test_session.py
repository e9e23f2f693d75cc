"""A simulated session with the official client: what OpenAI's reference says of each event."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.gateway.realtime_sessions import SAID, SILENCE, append_audio, until, write_message
from tidegate.simulator import running


@pytest.fixture
async def session() -> AsyncIterator[AsyncRealtimeConnection]:
    async with (
        running() as url,
        AsyncOpenAI(base_url=url, api_key="sk-any") as client,
        client.realtime.connect(model="gpt-realtime") as session,
    ):
        yield session


def kinds(events: list[Any]) -> list[str]:
    return [event.type for event in events]


async def test_a_session_begins_with_its_settings_and_takes_changes(session: AsyncRealtimeConnection) -> None:
    created: Any = await session.recv()
    assert (created.type, created.session.model) == ("session.created", "gpt-realtime")
    await session.session.update(session={"type": "realtime", "instructions": "Be brief."})
    updated = (await until(session, "session.updated"))[-1]
    assert updated.session.instructions == "Be brief."
    assert updated.session.audio.output.voice == "marin"


async def test_a_response_streams_audio_with_its_transcript(session: AsyncRealtimeConnection) -> None:
    await write_message(session, "When is high tide?")
    await session.response.create()
    events = await until(session, "response.done")
    assert "response.output_audio.delta" in kinds(events)
    transcript = "".join(event.delta for event in events if event.type == "response.output_audio_transcript.delta")
    done = events[-1].response
    assert done.output[0].content[0].transcript == transcript
    audio = [base64.b64decode(event.delta) for event in events if event.type == "response.output_audio.delta"]
    assert sum(map(len, audio)) == 2400 * done.usage.output_token_details.audio_tokens


async def test_what_was_an_input_before_is_cached(session: AsyncRealtimeConnection) -> None:
    usages = []
    for text in ("When is high tide?", "And low tide?"):
        await write_message(session, text)
        await session.response.create(response={"output_modalities": ["text"]})
        usages.append((await until(session, "response.done"))[-1].response.usage)
    assert usages[0].input_token_details.cached_tokens == 0
    assert usages[1].input_token_details.cached_tokens == usages[0].input_tokens
    assert usages[1].input_tokens > usages[0].total_tokens


async def test_who_stops_speaking_is_answered_and_who_speaks_again_interrupts(session: AsyncRealtimeConnection) -> None:
    await append_audio(session, SAID, SILENCE)
    heard = await until(session, "response.done")
    for kind in ("speech_started", "speech_stopped", "committed"):
        assert f"input_audio_buffer.{kind}" in kinds(heard)
    assert heard[-1].response.usage.input_token_details.audio_tokens == 20


async def test_a_committed_buffer_is_written_down(session: AsyncRealtimeConnection) -> None:
    spoken: Any = {"input": {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe"}}}
    await session.session.update(session={"type": "realtime", "audio": spoken})
    await append_audio(session, SAID)
    await session.input_audio_buffer.commit()
    done = (await until(session, "conversation.item.input_audio_transcription.completed"))[-1]
    assert done.usage.input_tokens == 10
    await session.input_audio_buffer.commit()
    assert (await until(session, "error"))[-1].error.code == "input_audio_buffer_commit_empty"


async def test_items_are_found_shortened_and_deleted(session: AsyncRealtimeConnection) -> None:
    await write_message(session, "Hello")
    item = (await until(session, "conversation.item.done"))[-1].item
    await session.conversation.item.retrieve(item_id=item.id)
    assert (await until(session, "conversation.item.retrieved"))[-1].item.id == item.id
    await session.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=10)
    await until(session, "conversation.item.truncated")
    await session.conversation.item.delete(item_id=item.id)
    await until(session, "conversation.item.deleted")
    await session.conversation.item.delete(item_id=item.id)
    assert (await until(session, "error"))[-1].error.code == "item_not_found"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "unheard.of"}, "invalid_value"),
        ({"type": "response.cancel"}, "response_cancel_not_active"),
        ({"type": "session.update", "session": {"model": "gpt-5"}}, "invalid_value"),
        ({"type": "session.update", "session": {"colour": "red"}}, "unknown_parameter"),
        ({"type": "session.update", "session": {"max_output_tokens": 0}}, "invalid_value"),
        ({"type": "conversation.item.create", "item": {"type": "story"}}, "invalid_value"),
        ({"type": "response.create", "response": {"max_output_tokens": 9999}}, "invalid_value"),
    ],
)
async def test_what_openai_refuses_is_refused(session: AsyncRealtimeConnection, event: Any, code: str) -> None:
    named: Any = {**event, "event_id": "mine"}
    await session.send(named)
    error = (await until(session, "error"))[-1].error
    assert (error.code, error.event_id) == (code, "mine")
