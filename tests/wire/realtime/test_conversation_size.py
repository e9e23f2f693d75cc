"""The size of a conversation, as the gateway sees it grow."""

import base64

import pytest

from tidegate.wire.realtime.conversation_size import MAX_TOKENS, ConversationSize


def base64_chars(size: int) -> int:
    return len(base64.b64encode(bytes(size)))


@pytest.mark.parametrize(("is_narrow", "tokens"), [(False, 10), (True, 60)])
def test_a_second_of_speech_is_ten_tokens(is_narrow: bool, tokens: int) -> None:
    size = ConversationSize()
    size.is_narrow = is_narrow
    size.add_audio(base64_chars(48_000))
    assert size.tokens == size.audio_tokens == tokens


def test_a_second_of_the_models_speech_is_twenty() -> None:
    assert ConversationSize().spoken_tokens(base64_chars(48_000)) == 20


def test_what_is_stated_replaces_what_was_estimated() -> None:
    size = ConversationSize()
    size.note_settings(300)
    size.add_text(30)
    assert size.tokens == 110
    size.note_stated(40)
    assert size.tokens == 40
    size.add_text(30)
    assert size.tokens == 50


def test_no_context_is_larger_than_the_models() -> None:
    size = ConversationSize()
    size.add_text(10_000_000)
    assert size.tokens == MAX_TOKENS
