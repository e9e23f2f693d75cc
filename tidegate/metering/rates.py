"""What tokens of each kind cost at one price. Used by `Prices`; pure."""

import msgspec

from tidegate.core.values import Usage
from tidegate.metering.price_list import NanosPerMillion, PricePeriod, Rates

_MILLION = 1_000_000


class KindRates(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The prices of all kinds of tokens, for calls with more than `above` input tokens."""

    above: int
    text: NanosPerMillion
    cached: NanosPerMillion
    cache_write: NanosPerMillion
    cache_write_1h: NanosPerMillion
    audio: NanosPerMillion
    cached_audio: NanosPerMillion
    image: NanosPerMillion
    cached_image: NanosPerMillion
    output: NanosPerMillion
    output_audio: NanosPerMillion
    output_image: NanosPerMillion
    dearest_input: NanosPerMillion
    """The most that a token of the input may cost, whatever its kind."""
    dearest_output: NanosPerMillion
    """The most that a token of the output may cost, whatever its kind."""


class KindPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """The prices from a moment (Unix seconds) on, by the size of the call."""

    since: float
    steps: tuple[KindRates, ...]


def kind_period(period: PricePeriod) -> KindPeriod:
    """Return a period of the price list with a price for each kind."""
    return KindPeriod(since=period.since, steps=tuple(map(_kind_rates, period.rates)))


def _kind_rates(rates: Rates) -> KindRates:
    cached, written = _or(rates.cached, rates.input), _or(rates.cache_write, rates.input)
    audio, image = _or(rates.input_audio, rates.input), _or(rates.input_image, rates.input)
    into = {
        "text": rates.input,
        "cached": cached,
        "cache_write": written,
        "cache_write_1h": _or(rates.cache_write_1h, written),
        "audio": audio,
        "cached_audio": _or(rates.cached_audio, cached if rates.input_audio is None else audio),
        "image": image,
        "cached_image": _or(rates.cached_image, cached if rates.input_image is None else image),
    }
    out = {
        "output": rates.output,
        "output_audio": _or(rates.output_audio, rates.output),
        "output_image": _or(rates.output_image, rates.output),
    }
    return KindRates(
        above=rates.above,
        **into,
        **out,
        dearest_input=max(into.values()),
        dearest_output=max(out.values()),
    )


def _or(own: NanosPerMillion | None, default: NanosPerMillion) -> NanosPerMillion:
    return default if own is None else own


def in_force(periods: tuple[KindPeriod, ...], at: float, size: int) -> KindRates:
    """Return the prices at a moment (Unix seconds) for a call with `size` input tokens."""
    current = periods[0]
    for period in reversed(periods):
        if period.since <= at:
            current = period
            break
    rates = current.steps[0]
    for step in current.steps[1:]:  # above a threshold the whole call has the higher price, not only the part beyond it
        if size > step.above:
            rates = step
    return rates


def token_cost(rates: KindRates, usage: Usage) -> int:
    """Return the nano-dollars of `usage`, rounded half up once."""
    if (
        usage.cached
        or usage.cache_write
        or usage.input_audio
        or usage.input_image
        or usage.output_audio
        or usage.output_image
    ):
        nanos = _input_cost(rates, usage) + _output_cost(rates, usage)
    else:
        nanos = usage.input * rates.text + usage.output * rates.output
    return (nanos + _MILLION // 2) // _MILLION


def max_token_cost(rates: KindRates, usage: Usage) -> int:
    """Return the most nano-dollars that so many tokens may cost, rounded up."""
    return -(-(usage.input * rates.dearest_input + usage.output * rates.dearest_output) // _MILLION)


def _input_cost(rates: KindRates, usage: Usage) -> int:
    """Return nano-dollars times a million. Cached tokens of no stated kind are text, as far as there is text."""
    if not (usage.input_audio or usage.input_image):
        cached = min(usage.cached, usage.input)
        written = min(usage.cache_write, usage.input - cached)
        plain = usage.input - cached - written
        return plain * rates.text + cached * rates.cached + _write_cost(rates, usage, written)
    audio = min(usage.input_audio, usage.input)
    image = min(usage.input_image, usage.input - audio)
    text = usage.input - audio - image
    cached_audio, cached_image = min(usage.cached_audio, audio), min(usage.cached_image, image)
    remaining = max(0, min(usage.cached, usage.input) - cached_audio - cached_image)
    cached_text = min(remaining, text)
    cached_image += (more := min(remaining - cached_text, image - cached_image))
    cached_audio += min(remaining - cached_text - more, audio - cached_audio)
    written = min(usage.cache_write, text - cached_text)
    return (
        (text - cached_text - written) * rates.text
        + cached_text * rates.cached
        + _write_cost(rates, usage, written)
        + (audio - cached_audio) * rates.audio
        + cached_audio * rates.cached_audio
        + (image - cached_image) * rates.image
        + cached_image * rates.cached_image
    )


def _write_cost(rates: KindRates, usage: Usage, written: int) -> int:
    """Return nano-dollars times a million for the tokens written to the cache, some of them for an hour."""
    for_an_hour = min(usage.cache_write_1h, written)
    return (written - for_an_hour) * rates.cache_write + for_an_hour * rates.cache_write_1h


def _output_cost(rates: KindRates, usage: Usage) -> int:
    """Return nano-dollars times a million."""
    audio = min(usage.output_audio, usage.output)
    image = min(usage.output_image, usage.output - audio)
    text = usage.output - audio - image
    return text * rates.output + audio * rates.output_audio + image * rates.output_image
