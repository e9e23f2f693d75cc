"""The rows of images, audio, videos and legacy completions."""

import base64
import io
from typing import Any

from openai import AsyncOpenAI

from tests.clients.sdk.methods import Made, Row, check_strictly, in_memory, named
from tidegate.simulator.resources.media.pictures import picture
from tidegate.simulator.resources.media.sounds import sound

_PNG = b"\x89PNG\r\n\x1a\n"
_POLL = 20
"""Milliseconds between looks at a video."""


def _image() -> io.BytesIO:
    return in_memory(picture("a", 64, 64), "a.png")


def _recording() -> io.BytesIO:
    return in_memory(sound("wav", 3.0), "a.wav")


async def _completions(client: AsyncOpenAI, _: Made) -> Any:
    ask: Any = {"model": "gpt-3.5-turbo-instruct", "prompt": "Tides", "max_tokens": 12}
    whole = await client.completions.create(**ask)
    pieces = [chunk.choices[0].text async for chunk in await client.completions.create(**ask, stream=True)]
    assert "".join(pieces) == whole.choices[0].text
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    return whole


async def _generate(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.images.generate(prompt="a tide", model="gpt-image-1", n=2, quality="low")
    assert made.usage is not None
    assert made.usage.output_tokens == 2 * 272
    assert [base64.b64decode(image.b64_json or "")[:8] for image in made.data or ()] == [_PNG] * 2
    linked = await client.images.generate(prompt="a tide", model="dall-e-3")
    assert linked.data is not None
    assert (linked.data[0].url or "").startswith("https://")
    stream = await client.images.generate(prompt="a tide", model="gpt-image-1", stream=True, partial_images=2)
    events = [event async for event in stream]
    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image", "partial_image", "completed"]
    check_strictly(events)
    return made


async def _edit(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.images.edit(image=[_image(), _image()], prompt="more tide", model="gpt-image-1")
    assert made.usage is not None
    assert made.usage.input_tokens_details.image_tokens > 0
    stream = await client.images.edit(image=_image(), prompt="more", model="gpt-image-1", stream=True)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_edit.completed"]
    check_strictly(events)
    return made


async def _vary(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.images.create_variation(image=_image(), n=2, size="256x256", response_format="b64_json")
    assert [base64.b64decode(image.b64_json or "")[:8] for image in made.data or ()] == [_PNG] * 2
    return made


async def _speech(client: AsyncOpenAI, _: Made) -> Any:
    spoken = await client.audio.speech.create(model="tts-1", input="The tide.", voice="alloy", response_format="wav")
    assert spoken.content.startswith(b"RIFF")
    async with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", input="The tide.", voice="alloy", stream_format="sse"
    ) as streamed:
        text = (await streamed.read()).decode()
    assert text.count('"speech.audio.delta"') > 1
    assert '"total_tokens"' in text


async def _transcribe(client: AsyncOpenAI, _: Made) -> Any:
    ask: Any = {"file": _recording(), "model": "gpt-4o-transcribe"}
    whole = await client.audio.transcriptions.create(**ask)
    assert whole.usage is not None
    assert whole.usage.type == "tokens"
    events = [event async for event in await client.audio.transcriptions.create(**ask, stream=True)]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == whole.text
    check_strictly(events)
    verbose = await client.audio.transcriptions.create(
        file=_recording(), model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert (verbose.duration, bool(verbose.words)) == (3.0, True)
    check_strictly(verbose)
    srt = await client.audio.transcriptions.create(file=_recording(), model="whisper-1", response_format="srt")
    assert "00:00:00,000 --> " in srt
    diarized = await client.audio.transcriptions.create(
        file=_recording(), model="gpt-4o-transcribe-diarize", response_format="diarized_json"
    )
    check_strictly(diarized)
    return whole


async def _translate(client: AsyncOpenAI, _: Made) -> Any:
    whole = await client.audio.translations.create(file=_recording(), model="whisper-1")
    assert "recording" in whole.text
    verbose = await client.audio.translations.create(
        file=_recording(), model="whisper-1", response_format="verbose_json"
    )
    check_strictly(verbose)
    return whole


async def _consent(client: AsyncOpenAI) -> str:
    made = await client.audio.voice_consents.create(name="a", language="en-US", recording=_recording())
    return made.id


async def _consents_create(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.audio.voice_consents.create(name="a", language="en-US", recording=_recording())
    assert (made.name, made.language) == ("a", "en-US")
    return made


async def _consents_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    consent_id = await _consent(client)
    found = await client.audio.voice_consents.retrieve(consent_id)
    assert found.id == consent_id
    return found


async def _consents_update(client: AsyncOpenAI, _: Made) -> Any:
    changed = await client.audio.voice_consents.update(await _consent(client), name="b")
    assert changed.name == "b"
    return changed


async def _consents_list(client: AsyncOpenAI, _: Made) -> Any:
    consent_id = await _consent(client)
    page = await client.audio.voice_consents.list(limit=1)
    assert [consent.id for consent in page.data] == [consent_id]
    return page


async def _consents_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.audio.voice_consents.delete(await _consent(client))
    assert deleted.deleted
    return deleted


async def _voice(client: AsyncOpenAI) -> Any:
    consent = await _consent(client)
    return await client.audio.voices.create(name="v", consent=consent, audio_sample=_recording())


async def _voices_create(client: AsyncOpenAI, _: Made) -> Any:
    made = await _voice(client)
    assert made.name == "v"
    return made


async def _voices_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.audio.voices.delete((await _voice(client)).id)
    assert deleted.deleted
    return deleted


async def _video(client: AsyncOpenAI) -> str:
    return (await client.videos.create(prompt="a tide", seconds="4")).id


async def _videos_create(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.videos.create(
        prompt="a tide", model="sora-2-pro", seconds="8", size="1024x1792", input_reference=_image()
    )
    assert (made.status, made.seconds, made.size) == ("queued", "8", "1024x1792")
    return made


async def _videos_create_and_poll(client: AsyncOpenAI, _: Made) -> Any:
    done = await client.videos.create_and_poll(prompt="a tide", poll_interval_ms=_POLL)
    assert (done.status, done.progress) == ("completed", 100)
    return done


async def _videos_poll(client: AsyncOpenAI, _: Made) -> Any:
    done = await client.videos.poll(await _video(client), poll_interval_ms=_POLL)
    assert done.status == "completed"
    return done


async def _videos_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    video_id = await _video(client)
    video = await client.videos.retrieve(video_id)
    assert (video.id, video.prompt) == (video_id, "a tide")
    return video


async def _videos_list(client: AsyncOpenAI, _: Made) -> Any:
    ids = [await _video(client) for _ in range(2)]
    page = await client.videos.list(limit=2)
    assert [video.id for video in page.data] == ids[::-1]
    return page


async def _videos_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.videos.delete(await _video(client))
    assert deleted.deleted
    return deleted


async def _videos_content(client: AsyncOpenAI, _: Made) -> Any:
    video_id = await _video(client)
    assert (await client.videos.retrieve(video_id)).status == "completed"
    content = await client.videos.download_content(video_id)
    assert content.content[4:8] == b"ftyp"
    assert (await client.videos.download_content(video_id, variant="thumbnail")).content.startswith(_PNG)


async def _videos_remix(client: AsyncOpenAI, _: Made) -> Any:
    video_id = await _video(client)
    made = await client.videos.remix(video_id, prompt="at night")
    assert (made.remixed_from_video_id, made.prompt) == (video_id, "at night")
    return made


async def _videos_edit(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.videos.edit(prompt="at night", video=named("a.mp4", b"film"))
    assert made.prompt == "at night"
    return made


async def _videos_extend(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.videos.extend(prompt="on", seconds="8", video=named("a.mp4", b"film"))
    assert made.seconds == "8"
    return made


async def _character(client: AsyncOpenAI) -> Any:
    return await client.videos.create_character(name="Mo", video=named("a.mp4", b"film"))


async def _videos_create_character(client: AsyncOpenAI, _: Made) -> Any:
    made = await _character(client)
    assert made.name == "Mo"
    return made


async def _videos_get_character(client: AsyncOpenAI, _: Made) -> Any:
    made = await _character(client)
    found = await client.videos.get_character(made.id)
    assert found.id == made.id
    return found


async def _provenance(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.content_provenance_checks.create(file=_image())
    assert [one.outcome for one in made.results] == ["not_detected", "not_detected"]
    return made


ROWS: dict[str, Row] = {
    "completions.create": _completions,
    "content_provenance_checks.create": _provenance,
    "images.generate": _generate,
    "images.edit": _edit,
    "images.create_variation": _vary,
    "audio.speech.create": _speech,
    "audio.transcriptions.create": _transcribe,
    "audio.translations.create": _translate,
    "audio.voice_consents.create": _consents_create,
    "audio.voice_consents.retrieve": _consents_retrieve,
    "audio.voice_consents.update": _consents_update,
    "audio.voice_consents.list": _consents_list,
    "audio.voice_consents.delete": _consents_delete,
    "audio.voices.create": _voices_create,
    "audio.voices.delete": _voices_delete,
    "videos.create": _videos_create,
    "videos.create_and_poll": _videos_create_and_poll,
    "videos.poll": _videos_poll,
    "videos.retrieve": _videos_retrieve,
    "videos.list": _videos_list,
    "videos.delete": _videos_delete,
    "videos.download_content": _videos_content,
    "videos.remix": _videos_remix,
    "videos.edit": _videos_edit,
    "videos.extend": _videos_extend,
    "videos.create_character": _videos_create_character,
    "videos.get_character": _videos_get_character,
}
