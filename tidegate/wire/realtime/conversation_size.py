"""How many tokens a Realtime conversation has, as far as the gateway can see. By it the cost of a response is held.

It is no more than an estimate: what is charged is the usage that the upstream states. Source: OpenAI's guide "Managing
costs" of Realtime: audio of a user is a token for each 100 ms, that of the model one for each 50 ms.
"""

_BYTES_PER_TOKEN = 3
"""Fewer than text has on average, so that an estimate is rather too high."""
_PCM_BYTES_PER_TOKEN = 4800
"""100 ms of 24,000 samples of two bytes."""
_NARROW_BYTES_PER_TOKEN = 800
"""100 ms of 8,000 samples of one byte."""
_SPOKEN_PER_HEARD = 2
"""A second of the model's speech has so many times the tokens of a second of a user's."""
MAX_TOKENS = 128_000
"""The largest context of OpenAI's Realtime models."""


class ConversationSize:
    """The tokens of one conversation."""

    def __init__(self) -> None:
        self._stated = 0
        self._settings_bytes = 0
        self._text_bytes = 0
        self._audio_bytes = 0
        self.is_narrow = False
        """Whether its audio has 8,000 bytes a second, and not 48,000."""

    @property
    def tokens(self) -> int:
        """The tokens of the conversation: as last stated, and what was added since then."""
        before = self._stated or self.text_tokens(self._settings_bytes)
        return min(MAX_TOKENS, before + self.text_tokens(self._text_bytes) + self.audio_tokens)

    @property
    def audio_tokens(self) -> int:
        """The tokens of the audio that was added since the last response."""
        return self._audio_bytes // self._bytes_per_token

    def note_settings(self, size: int) -> None:
        """Note the bytes of the session's instructions and tools, which are a part of each response's input."""
        self._settings_bytes = size

    def text_tokens(self, size: int) -> int:
        """Return the tokens of so many bytes of text."""
        return -(-size // _BYTES_PER_TOKEN)

    def add_text(self, size: int) -> None:
        """Note so many bytes of text."""
        self._text_bytes += size

    def add_audio(self, base64_chars: int) -> None:
        """Note audio of this length in base64."""
        self._audio_bytes += base64_chars * 3 // 4

    def note_stated(self, tokens: int) -> None:
        """Note what the upstream states as the size of the conversation, with its last response."""
        self._stated, self._text_bytes, self._audio_bytes = tokens, 0, 0

    def spoken_tokens(self, base64_chars: int) -> int:
        """Return the tokens of so much of the model's audio."""
        return -(-base64_chars * 3 // 4 * _SPOKEN_PER_HEARD // self._bytes_per_token)

    @property
    def _bytes_per_token(self) -> int:
        return _NARROW_BYTES_PER_TOKEN if self.is_narrow else _PCM_BYTES_PER_TOKEN
