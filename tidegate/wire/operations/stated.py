"""What an operation's answer, or an event of its stream, says of its cost. Pure."""

import math
from typing import Any

import msgspec


class StatedAnswer(msgspec.Struct, frozen=True, gc=False):
    """The parts of an answer's JSON by which it is charged; nothing where the answer does not say them."""

    usage: msgspec.Raw = msgspec.Raw()
    model: Any = None
    data: msgspec.Raw = msgspec.Raw()
    """The images that were made."""
    duration: Any = None
    """Seconds of sound, in a detailed transcript."""
    seconds: Any = None
    """Seconds of a video."""
    size: Any = None

    @property
    def usage_object(self) -> bytes | None:
        """The usage object as bytes; None where there is none."""
        raw = bytes(self.usage)
        return raw if raw.startswith(b"{") else None

    @property
    def model_name(self) -> str | None:
        """The model that answered."""
        return self.model if isinstance(self.model, str) and self.model else None

    @property
    def entries(self) -> int | None:
        """How many images were made; None where the answer has none."""
        try:
            return len(_list_decoder.decode(self.data)) if bytes(self.data).startswith(b"[") else None
        except msgspec.DecodeError:
            return None


class _DurationUsage(msgspec.Struct, frozen=True):
    """The usage of a model that is sold by the time."""

    type: str = ""
    seconds: float | None = None


NOTHING_STATED = StatedAnswer()
_MOST_SECONDS = 1_000_000.0
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_decoder = msgspec.json.Decoder(StatedAnswer)
_duration_decoder = msgspec.json.Decoder(_DurationUsage)


def stated_in(text: bytes) -> StatedAnswer:
    """Return what a JSON text says of its cost; nothing where it is no such object."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOTHING_STATED


def seconds_of_sound(stated: StatedAnswer) -> float | None:
    """Return the seconds of sound that an answer states; None where it states none."""
    usage = stated.usage_object
    if usage is not None:
        try:
            found = _duration_decoder.decode(usage)
        except msgspec.DecodeError:
            return None
        if found.type == "duration":
            return number_of(found.seconds)
    whole = number_of(stated.duration)
    return None if whole is None else float(math.ceil(whole))  # sound is sold by whole seconds


def number_of(value: Any) -> float | None:
    """Return a number that is one, or is written as text; None for anything else, and for absurd ones."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        return None
    return number if 0 <= number <= _MOST_SECONDS else None
