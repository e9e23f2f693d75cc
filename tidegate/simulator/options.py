"""The behaviour of the simulator, in general and for one request."""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tidegate.simulator.answers.reply import TokenKinds
from tidegate.simulator.faults import Fault
from tidegate.simulator.refusal import Refusal, invalid

_KINDS = ("input", "cached", *TokenKinds.__struct_fields__)
_TOOLS = ("web_search", "file_search", "code_interpreter", "image_generation")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour for requests that do not choose their own."""

    latency: float = 0.0
    """Seconds before any answer."""
    ttft: float = 0.0
    """Seconds from then to the first token."""
    tps: float = 0.0
    """Tokens per second after the first; 0 for no pause at all."""
    stop_seconds: float = 0.0
    """Seconds for which it writes on, and charges, after the client has left."""
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
    admin_key: str | None = None
    """The key of the administration API, which makes further keys; with it only those and `api_key` are accepted."""
    prices: Path | None = None
    """A file of prices, as `tariff.load` reads it; None for OpenAI's list prices."""
    strict: bool = True
    """Whether requests that OpenAI refuses are refused; if not, they are answered as well as can be."""
    remember: int = 100
    """The number of recent requests that the bill lists."""
    job_seconds: float = 0.0
    """Seconds from the creation of a batch, a video or another job until it has ended."""


class RequestBehavior(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour for one request."""

    latency: float
    ttft: float
    tps: float
    stop_seconds: float
    tokens: int | None
    fault: Fault | None
    strict: bool = True
    error_code: str = "invalid_prompt"
    """The code of a refusal inside an HTTP 200."""
    usage: Mapping[str, int] = {}
    """Tokens that the answer states, by kind, instead of those that were counted."""
    tools: Mapping[str, int] = {}
    """How often the answer uses each hosted tool."""
    states_tool_usage: bool = True
    """Whether a Response states the use of its tools."""
    job_seconds: float = 0.0
    """Seconds that the job takes which the request begins."""


def request_behavior(options: Options, headers: Mapping[str, str], drawn_fault: Fault | None) -> RequestBehavior:
    """Return the behaviour that the request's `x-simulate-*` headers ask for, else that of `options`.

    Raises Refusal.
    """
    tokens = _number(headers, "x-simulate-tokens", options.tokens)
    return RequestBehavior(
        latency=_number(headers, "x-simulate-latency", options.latency) or 0.0,
        ttft=_number(headers, "x-simulate-ttft", options.ttft) or 0.0,
        tps=_number(headers, "x-simulate-tps", options.tps) or 0.0,
        stop_seconds=_number(headers, "x-simulate-stop-seconds", options.stop_seconds) or 0.0,
        tokens=None if tokens is None else int(tokens),
        fault=_named_fault(headers.get("x-simulate-fault"), drawn_fault),
        strict=_flag(headers, "x-simulate-strict", default=options.strict),
        error_code=headers.get("x-simulate-error-code") or "invalid_prompt",
        usage=_counts(headers, "x-simulate-usage", _KINDS),
        tools=_counts(headers, "x-simulate-tools", _TOOLS),
        states_tool_usage=_flag(headers, "x-simulate-tool-usage", default=True),
        job_seconds=_number(headers, "x-simulate-job-seconds", options.job_seconds) or 0.0,
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


def _counts(headers: Mapping[str, str], name: str, known: tuple[str, ...]) -> dict[str, int]:
    """Return counts written as `cached=20, cache_write=30`."""
    counts: dict[str, int] = {}
    for part in filter(None, headers.get(name, "").split(",")):
        key, _, count = (text.strip() for text in part.partition("="))
        if key not in known or not re.fullmatch(r"[0-9]{1,7}", count):
            raise invalid(f"The header {name} must be counts such as `{known[0]}=3`, of: {', '.join(known)}.")
        counts[key] = int(count)
    return counts


def _flag(headers: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = headers.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise invalid(f"The header {name} must be `true` or `false`, not {value!r}.")
    return value == "true"


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
