"""A voice needs a sample and the consent of its speaker."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal, form

_SOUND = ("a.wav", b"sound")


@pytest.mark.parametrize(
    ("path", "fields", "status", "message"),
    [
        ("/audio/voice_consents", {"name": "a", "language": "en"}, 400, "Missing required parameter: 'recording'"),
        ("/audio/voice_consents", {"name": "a", "recording": _SOUND}, 400, "Missing required parameter: 'language'"),
        ("/audio/voices", {"name": "a", "audio_sample": _SOUND}, 400, "Missing required parameter: 'consent'"),
        ("/audio/voices", {"name": "a", "audio_sample": _SOUND, "consent": "cons_x"}, 404, "with id 'cons_x'"),
    ],
)  # fmt: skip
async def test_what_openai_refuses_is_refused(path: str, fields: dict[str, Any], status: int, message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", path, form(**fields), status, message))


async def test_a_voice_is_made_with_a_consent() -> None:
    async with upstream() as up:
        consent = form(name="a", language="en", recording=_SOUND)
        _, made = await ask(up, "POST", "/audio/voice_consents", consent)
        status, voice = await ask(up, "POST", "/audio/voices", form(name="v", consent=made["id"], audio_sample=_SOUND))
        assert (status, voice["object"]) == (200, "audio.voice")
        assert (await ask(up, "DELETE", f"/audio/voices/{voice['id']}"))[1]["object"] == "audio.voice.deleted"
