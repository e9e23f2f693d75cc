"""What a call to an operation costs: at most, before it is sent, and once its answer is known. No I/O.

Models that are sold by the image, the second or the character have their prices in `unit_prices.json`, from OpenAI's
page "Pricing". `metering.tool_prices` and a price file replace them under the same names, such as `tts-1:character`.
"""

import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import msgspec

from tidegate.core.values import Usage
from tidegate.metering.image_tokens import max_image_usage
from tidegate.metering.prices import Prices
from tidegate.wire.charges.images import ImageRequest
from tidegate.wire.charges.usage import MAX_TOKENS, from_wire
from tidegate.wire.operations.operation import ChargeBasis, Operation
from tidegate.wire.operations.stated import NOTHING_STATED, StatedAnswer, number_of, seconds_of_sound

_PRICE_FILE = "unit_prices.json"
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_HOUR = 3600
_NO_USAGE = Usage()
_DEFAULT_IMAGE_MODELS = {"images.generate": "dall-e-2", "images.create_variation": "dall-e-2"}
_DEFAULT_EDIT_MODEL = "gpt-image-1.5"
_DEFAULT_VIDEO_MODEL = "sora-2"
_DEAREST_VIDEO = ("sora-2-pro", "1792x1024")
_DEFAULT_VIDEO_SIZE = "720x1280"
_DEFAULT_VIDEO_SECONDS = 4.0
_MOST_VIDEO_SECONDS = 20.0
_MOST_INPUT_IMAGES = 16
_MOST_IMAGES = 10
_DEFAULT_COMPLETION_TOKENS = 16
_TRANSCRIPT_TOKENS = 16_000
"""The most that one transcript has."""
_SOUND_TOKENS_PER_SECOND = 10
_SMALLEST_SOUND_BYTES = 750
"""Bytes of a second of sound: at 6 kbit/s speech is hardly understood any more."""
_SPEECH_TOKENS_PER_CHARACTER = 3
"""The most tokens of sound: about 21 for each second, and hardly any voice takes longer than 7 characters a second."""
_USUAL_SPEECH_TOKENS_PER_CHARACTER = 1.75
_CONTAINER_SIZES = {"4g": "code_interpreter_4g", "16g": "code_interpreter_16g", "64g": "code_interpreter_64g"}

_unit_price_decoder = msgspec.json.Decoder(dict[str, int])


class OperationCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a call costs."""

    nanos: int = 0
    """Nano-dollars, with its fees."""
    fee_nanos: int = 0
    """The part that is no tokens: images, characters, seconds."""
    usage: Usage = _NO_USAGE
    unpriced: tuple[str, ...] = ()
    """The model, or else the operation, whose price is not known."""
    is_estimated: bool = False

    @property
    def is_unpriced(self) -> bool:
        """Whether a price was not known."""
        return bool(self.unpriced)


NO_COST = OperationCost()


class OperationCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call that is to be priced."""

    operation: Operation
    values: Mapping[str, Any] = {}
    """The fields of its body."""
    model: str = ""
    """The model that it names, or that answered; empty where neither is known."""
    size: int | None = None
    """The bytes of its body, where they are known."""
    at: float
    """Unix seconds."""

    def count(self, name: str, default: int, most: int) -> int:
        """Return a number of its body, at least 1."""
        number = number_of(self.values.get(name))
        return default if number is None else max(1, min(int(number), most))

    def text(self, name: str, default: str = "") -> str:
        """Return a text of its body."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value else default


class OperationPrices:
    """Computes what calls to operations cost."""

    def __init__(self, prices: Prices, *, provider: str = "") -> None:
        """`provider` has the operations: prices may be configured for its models alone, as `provider/model`."""
        self._prices = prices
        self._provider = provider
        packaged = resources.files("tidegate.metering").joinpath(_PRICE_FILE).read_bytes()
        self._units = _unit_price_decoder.decode(packaged)
        self._highest: Mapping[ChargeBasis, Callable[[OperationCall], OperationCost]] = {
            ChargeBasis.TOKENS: self._highest_completion,
            ChargeBasis.IMAGES: self._highest_images,
            ChargeBasis.SPEECH: self._highest_speech,
            ChargeBasis.TRANSCRIPTION: self._highest_transcription,
            ChargeBasis.VIDEO: self._highest_video,
            ChargeBasis.CONTAINER: self._container,
        }
        self._actual: Mapping[ChargeBasis, Callable[[OperationCall, StatedAnswer], OperationCost]] = {
            ChargeBasis.TOKENS: self._tokens,
            ChargeBasis.IMAGES: self._images,
            ChargeBasis.SPEECH: self._speech,
            ChargeBasis.TRANSCRIPTION: self._transcription,
            ChargeBasis.VIDEO: self._video,
            ChargeBasis.CONTAINER: lambda call, _: self._container(call),
        }

    def highest(self, call: OperationCall) -> OperationCost:
        """Return the most that a call may cost."""
        if call.operation.charge is ChargeBasis.FREE:
            return NO_COST
        find = self._highest.get(call.operation.charge)
        return _unpriced(call) if find is None else find(call)

    def actual(self, call: OperationCall, stated: StatedAnswer = NOTHING_STATED) -> OperationCost:
        """Return what a call costs whose answer was a success and states this."""
        if call.operation.charge is ChargeBasis.FREE:
            return NO_COST
        find = self._actual.get(call.operation.charge)
        return _unpriced(call) if find is None else find(call, stated)

    # what the price list says of this provider's models

    def _target(self, model: str) -> str:
        return f"{self._provider}/{model}" if self._provider and model else ""

    def _has_price(self, call: OperationCall) -> bool:
        return self._prices.has_price(call.model, target=self._target(call.model))

    def _fee(self, name: str, model: str) -> int | None:
        return self._prices.fee(name, model, target=self._target(model))

    # by tokens

    def _tokens(self, call: OperationCall, stated: StatedAnswer) -> OperationCost:
        usage = _NO_USAGE if stated.usage_object is None else from_wire(stated.usage_object)
        if not (usage.input or usage.output) or MAX_TOKENS in (usage.input, usage.output):
            highest = self.highest(call)
            return msgspec.structs.replace(highest, is_estimated=True)
        return self._of_usage(call, usage)

    def _of_usage(self, call: OperationCall, usage: Usage, *, is_estimated: bool = False) -> OperationCost:
        model = call.model
        return OperationCost(
            nanos=self._prices.cost(model, usage, at=call.at, target=self._target(model)),
            usage=usage,
            unpriced=() if self._prices.knows(model, target=self._target(model)) else (model or call.operation.label,),
            is_estimated=is_estimated,
        )

    def _most_of(self, call: OperationCall, usage: Usage) -> OperationCost:
        if not self._has_price(call):
            return _unpriced(call)
        return OperationCost(
            nanos=self._prices.max_cost(call.model, usage, at=call.at, targets=(self._target(call.model),)), usage=usage
        )

    def _highest_completion(self, call: OperationCall) -> OperationCost:
        prompt = call.values.get("prompt", "")
        texts = prompt if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else [prompt]
        read = sum(len(text.encode()) if isinstance(text, str) else len(text) for text in texts if text is not None)
        answers = max(call.count("n", 1, 128), call.count("best_of", 1, 128))
        written = len(texts) * answers * call.count("max_tokens", _DEFAULT_COMPLETION_TOKENS, MAX_TOKENS - 1)
        return self._most_of(call, Usage(input=min(read, MAX_TOKENS), output=written))

    # images

    def _image_model(self, call: OperationCall) -> OperationCall:
        model = call.model or _DEFAULT_IMAGE_MODELS.get(call.operation.label, _DEFAULT_EDIT_MODEL)
        return msgspec.structs.replace(call, model=model)

    def _highest_images(self, call: OperationCall) -> OperationCost:
        call = self._image_model(call)
        count = call.count("n", 1, _MOST_IMAGES)
        if self._is_by_image(call.model):
            return self._by_image(call, count)
        request = ImageRequest(
            model=call.model,
            size=call.text("size", "auto"),
            quality=call.text("quality", "auto"),
            previews=call.count("partial_images", 1, 3) if call.values.get("partial_images") else 0,
        )
        images = 0 if call.operation.label == "images.generate" else _MOST_INPUT_IMAGES
        one = max_image_usage(request, input_tokens=len(call.text("prompt")), input_images=images)
        usage = Usage(input=one.input, output=count * one.output, input_image=one.input_image)
        return self._most_of(call, usage)

    def _images(self, call: OperationCall, stated: StatedAnswer) -> OperationCost:
        call = self._image_model(call)
        if self._is_by_image(call.model):
            return self._by_image(call, stated.entries or call.count("n", 1, _MOST_IMAGES))
        return self._tokens(call, stated)

    def _is_by_image(self, model: str) -> bool:
        return any(name.startswith(f"{_undated(model)}:standard") for name in self._units)

    def _by_image(self, call: OperationCall, count: int) -> OperationCost:
        quality = "hd" if call.text("quality") == "hd" else "standard"
        size = call.text("size", "1024x1024")
        size = "1024x1024" if size == "auto" else size
        return self._by_unit(call, f"{quality}:{size}", count)

    # sound

    def _highest_speech(self, call: OperationCall) -> OperationCost:
        characters = len(call.text("input"))
        if self._unit(call.model, "character") is not None:
            return self._by_unit(call, "character", characters)
        read = characters + len(call.text("instructions"))
        return self._most_of(call, Usage(input=read, output=_SPEECH_TOKENS_PER_CHARACTER * characters))

    def _speech(self, call: OperationCall, stated: StatedAnswer) -> OperationCost:
        characters = len(call.text("input"))
        if self._unit(call.model, "character") is not None:
            return self._by_unit(call, "character", characters)
        if stated.usage_object is not None:
            return self._tokens(call, stated)
        # sound as bytes states no usage
        read = (characters + len(call.text("instructions"))) // 4
        usage = Usage(input=read, output=round(_USUAL_SPEECH_TOKENS_PER_CHARACTER * characters), estimated=True)
        return self._of_usage(call, usage, is_estimated=True) if self._has_price(call) else _unpriced(call)

    def _highest_transcription(self, call: OperationCall) -> OperationCost:
        if call.size is None:
            return _unpriced(call)  # how long the sound is cannot be said
        seconds = -(-call.size // _SMALLEST_SOUND_BYTES)
        read = seconds * _SOUND_TOKENS_PER_SECOND
        usage = Usage(input=read, input_audio=read, output=_TRANSCRIPT_TOKENS)
        if self._unit(call.model, "hour") is None:
            return self._most_of(call, usage)
        by_time = self._by_unit(call, "hour", seconds, divisor=_HOUR)
        if not self._has_price(call):
            return by_time
        return max(by_time, self._most_of(call, usage), key=lambda cost: cost.nanos)

    def _transcription(self, call: OperationCall, stated: StatedAnswer) -> OperationCost:
        """Return its cost by the time, or by tokens where the answer states those and they have a price."""
        has_hours = self._unit(call.model, "hour") is not None
        if has_hours and (seconds := seconds_of_sound(stated)) is not None:
            return self._by_unit(call, "hour", seconds, divisor=_HOUR)
        is_unknown = stated.usage_object is None or (has_hours and not self._has_price(call))
        return _unpriced(call) if is_unknown else self._tokens(call, stated)

    # videos and containers

    def _highest_video(self, call: OperationCall) -> OperationCost:
        if call.operation.label == "videos.create":
            model = call.model or _DEFAULT_VIDEO_MODEL
            seconds = number_of(call.values.get("seconds")) or _DEFAULT_VIDEO_SECONDS
            size = call.text("size", _DEFAULT_VIDEO_SIZE)
        else:  # the video that it is made of has the model and the size
            model, size = _DEAREST_VIDEO
            seconds = number_of(call.values.get("seconds")) or _MOST_VIDEO_SECONDS
        return self._by_unit(msgspec.structs.replace(call, model=model), f"second:{size}", seconds)

    def _video(self, call: OperationCall, stated: StatedAnswer) -> OperationCost:
        model = stated.model_name or call.model or _DEFAULT_VIDEO_MODEL
        seconds = number_of(stated.seconds)
        if seconds is None or not isinstance(stated.size, str):
            return msgspec.structs.replace(self._highest_video(call), is_estimated=True)
        return self._by_unit(msgspec.structs.replace(call, model=model), f"second:{stated.size}", seconds)

    def _container(self, call: OperationCall) -> OperationCost:
        fee = self._fee(_CONTAINER_SIZES.get(call.text("memory_limit"), "code_interpreter"), call.model)
        return _unpriced(call) if fee is None else OperationCost(nanos=fee, fee_nanos=fee)

    # by units

    def _unit(self, model: str, unit: str) -> int | None:
        """Return the nano-dollars of one unit of a model; None where it has no such price."""
        for name in (f"{model.lower()}:{unit}", f"{_undated(model)}:{unit}"):
            configured = self._fee(name, model)
            if (found := self._units.get(name) if configured is None else configured) is not None:
                return found
        return None

    def _by_unit(self, call: OperationCall, unit: str, count: float, *, divisor: int = 1) -> OperationCost:
        price = self._unit(call.model, unit)
        if price is None:
            return _unpriced(call)
        micro = round(count * 1_000_000)  # seconds have parts
        nanos = (2 * micro * price + divisor * 1_000_000) // (2 * divisor * 1_000_000)
        return OperationCost(nanos=nanos, fee_nanos=nanos)


def _unpriced(call: OperationCall) -> OperationCost:
    return OperationCost(unpriced=(call.model or call.operation.label,))


def _undated(model: str) -> str:
    return _DATE.sub("", model.lower())
