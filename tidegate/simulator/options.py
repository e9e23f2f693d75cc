"""The behaviour of the simulator, in general and for one request."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tidegate.simulator.faults import Fault
from tidegate.simulator.refusal import Refusal, invalid


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour for requests that do not choose their own."""

    latency: float = 0.0
    """Seconds before any answer."""
    ttft: float = 0.0
    """Seconds from then to the first token."""
    tps: float = 0.0
    """Tokens per second after the first; 0 for no pause at all."""
    tokens: int | None = None
    """Length of each answer in tokens; None lets the request decide."""
    rpm: int = 0
    """Requests per minute; 0 for no limit."""
    tpm: int = 0
    """Tokens per minute; 0 for no limit."""
    faults: Mapping[str, float] = {}
    """Probability of each fault, by its name."""
    faults_by_key: Mapping[str, Mapping[str, float]] = {}
    """The same for keys with these last characters."""
    deployments: Mapping[str, str] = {}
    """The model of each Azure deployment. If empty, every deployment exists and is named like its model."""
    seed: int | None = None
    """Makes the choice of faults and the ids repeatable."""
    api_key: str | None = None
    """The only key that is accepted; None accepts every key."""
    prices: Path | None = None
    """A file of prices, as `tariff.load` reads it; None for OpenAI's list prices."""
    remember: int = 100
    """The number of recent requests that the bill lists."""


class RequestBehavior(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour for one request."""

    latency: float
    ttft: float
    tps: float
    tokens: int | None
    fault: Fault | None


def request_behavior(options: Options, headers: Mapping[str, str], drawn_fault: Fault | None) -> RequestBehavior:
    """Return the behaviour that the request's `x-simulate-*` headers ask for, else that of `options`.

    Raises Refusal.
    """
    tokens = _number(headers, "x-simulate-tokens", options.tokens)
    return RequestBehavior(
        latency=_number(headers, "x-simulate-latency", options.latency) or 0.0,
        ttft=_number(headers, "x-simulate-ttft", options.ttft) or 0.0,
        tps=_number(headers, "x-simulate-tps", options.tps) or 0.0,
        tokens=None if tokens is None else int(tokens),
        fault=_named_fault(headers.get("x-simulate-fault"), drawn_fault),
    )


def _number(headers: Mapping[str, str], name: str, default: float | None) -> float | None:
    value = headers.get(name)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise invalid(f"The header {name} must be a number that is not negative, not {value!r}.")
    return number


def _named_fault(name: str | None, drawn: Fault | None) -> Fault | None:
    if name is None:
        return drawn
    try:
        return None if name == "none" else Fault(name)
    except ValueError:
        raise unknown_fault(name) from None


def unknown_fault(name: str) -> Refusal:
    """Return the refusal of an unknown fault; it lists the known ones."""
    return invalid(f"There is no fault {name!r}. Known are: {', '.join(Fault)}.")
