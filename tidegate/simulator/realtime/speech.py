"""What a user says: the buffer of audio, and when a speaker begins and stops. Silence is audio of zeros."""

from typing import Any

Json = dict[str, Any]

_PCM_BYTES_PER_MS, _NARROW_BYTES_PER_MS = 48, 8


class SpeechBuffer:
    """The audio that is not committed yet."""

    def __init__(self) -> None:
        self.audio = b""
        self.is_speaking = False
        self._silent_bytes = 0
        self._heard_bytes = 0
        """All bytes of the session, by which its moments are named."""

    def moment_ms(self, *, narrow: bool) -> int:
        """Return the milliseconds of audio that the session has had."""
        return self._heard_bytes // (_NARROW_BYTES_PER_MS if narrow else _PCM_BYTES_PER_MS)

    def add(self, audio: bytes) -> None:
        """Add audio."""
        self.audio += audio
        self._heard_bytes += len(audio)
        if any(audio):
            self._silent_bytes = 0
        else:
            self._silent_bytes += len(audio)

    def begins(self) -> bool:
        """Return whether a speaker begins to speak, and note it."""
        if self.is_speaking or self._silent_bytes or not self.audio:
            return False
        self.is_speaking = True
        return True

    def stops(self, silence_ms: int, *, narrow: bool) -> bool:
        """Return whether the speaker has stopped: there was silence for so long."""
        needed = silence_ms * (_NARROW_BYTES_PER_MS if narrow else _PCM_BYTES_PER_MS)
        if not self.is_speaking or self._silent_bytes < needed:
            return False
        self.is_speaking = False
        return True

    def take(self) -> bytes:
        """Return the audio and empty the buffer."""
        audio, self.audio = self.audio, b""
        self.is_speaking, self._silent_bytes = False, 0
        return audio
