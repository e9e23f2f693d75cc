"""The frozen values that pass between packages."""

from enum import Enum
from functools import cached_property

import msgspec

from tidegate.core.errors import ConnectionFailed, TidegateError


class Priority(Enum):
    """Whose call goes first when there is a queue; the value is the class's share of the places."""

    HIGH = 16
    NORMAL = 4
    LOW = 1

    @cached_property
    def label(self) -> str:
        """As people, the database and the admin API write it."""
        return self.name.lower()

    @cached_property
    def weight(self) -> int:
        """How many places it gets for each one of the lowest class."""
        return self.value


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do; None is no limit, 0 is nothing at all."""

    rpm: int | None = None
    """Requests per minute."""
    rpd: int | None = None
    """Requests per day."""
    tpm: int | None = None
    """Tokens per minute."""
    concurrency: int | None = None
    """Calls in flight at once."""
    budget_day: int | None = None
    """Nano-dollars per UTC day."""
    budget_month: int | None = None
    """Nano-dollars per UTC month."""

    @property
    def is_unlimited(self) -> bool:
        """Whether nothing is limited."""
        return self == _UNLIMITED


_UNLIMITED = Limits()


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls: one API key of one project. Carries no key material."""

    key_id: str
    project: str
    name: str
    expires_at: float | None = None
    """Unix seconds, or None for never."""
    admin: bool = False
    """It administers the gateway, and asks no model anything."""
    limits: Limits = _UNLIMITED
    """The key's own."""
    project_limits: Limits = _UNLIMITED
    """Those that all keys of the project share."""
    user_limits: Limits = _UNLIMITED
    """What each end user of the project may."""
    priority: Priority = Priority.NORMAL
    models: frozenset[str] = frozenset()
    """The models it may name; empty for all."""


class AnswerHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an answer once it begins."""

    stream: bool
    """It comes as events; else as one body."""
    served_by: str
    """`provider/model`, as the caller is told; empty where it is not known yet."""
    echo: str = ""
    """The words of its own caller that it repeats, in canonical form; empty for none."""
    queued_ms: int = 0
    """How long it waited for the upstream's capacity."""
    adaptations: tuple[str, ...] = ()
    """What of the request had to be changed for who answered it, a word or two each."""
    stale: bool = False
    """It is a stored answer that is no longer fresh, given because nobody could be asked."""
    age: int | None = None
    """Seconds since it was stored, where it was."""


_AT_ONCE = 1.0
"""Seconds in which a connection breaks that was stale, or never there."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How asking the upstream ended."""

    error: TidegateError | None = None
    """Why there is no complete answer."""
    reported_error: TidegateError | None = None
    """The same, or the failure that a complete answer itself reports (a Response with status `failed`)."""
    stream: bool = False
    events: tuple[bytes, ...] = ()
    """The answer, whole or as far as it came: its events, or its one body."""
    usage: bytes | None = None
    """The JSON of the upstream's own usage object; None if it never came."""
    model: str | None = None
    """The model that answered."""
    service_tier: str | None = None
    """The `service_tier` that answered."""
    storable: bool = False
    """Complete and successful: may be given again."""
    sent: bool = True
    """The call reached the upstream, which may therefore charge for it."""
    first_byte_seconds: float | None = None
    """From the call to the answer's first byte."""
    upstream_request_id: str | None = None
    provider: str | None = None
    """Who answered, or failed last; `canned` for a reply of our own."""
    target_model: str | None = None
    """The model that was asked for there."""
    adaptations: tuple[str, ...] = ()
    """What had to be changed of the call for this target."""
    fallback_step: str | None = None
    """The step of the ladder that answered, or failed last."""
    attempts: int = 1
    """Times that the call was sent."""
    previous_attempts: tuple["Outcome", ...] = ()
    """How the attempts before ended."""
    seconds: float = 0.0
    """From the call to its end."""
    silent_seconds: float = 0.0
    """Of them, those after the last byte that was read."""

    @property
    def may_be_charged(self) -> bool:
        """Whether the upstream may have read the call and written: it charges for that, arrive it or not.

        Who breaks a connection at once had not begun; who does after a while may have been at work.
        """
        if not self.sent or self.error is None:
            return self.sent
        return self.error.may_be_charged or (isinstance(self.error, ConnectionFailed) and self.seconds >= _AT_ONCE)


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Tokens bought by one call. `cached` is part of `input`, `reasoning` of `output`, as OpenAI counts."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    estimated: bool = False
    """Counted by us, because the upstream's own figure never arrived."""

    def plus(self, other: "Usage") -> "Usage":
        """Both; estimated where one of them is."""
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            input_audio=self.input_audio + other.input_audio,
            output_audio=self.output_audio + other.output_audio,
            estimated=self.estimated or other.estimated,
        )


class LedgerEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One call's line in the ledger; the fields are the columns of the table `ledger`."""

    id: str
    """The request id; entries are idempotent by it."""
    at: float
    """Unix seconds at which the call came in."""
    project: str
    key_id: str
    end_user: str | None
    route: str
    model: str
    served_model: str | None = None
    provider: str | None = None
    outcome: str
    """`ok`, or the name of the typed error."""
    cache: str
    """`hit`, `joined`, `stale`, `miss` or `off`."""
    stream: bool
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cost_nanos: int = 0
    """What the call cost, in nano-dollars (1e-9 USD)."""
    saved_nanos: int = 0
    """What it would have cost without the cache, in nano-dollars."""
    latency_ms: int = 0
    first_byte_ms: int | None = None
    upstream_request_id: str | None = None
    attempts: int = 0
    """Times that the call was sent upstream."""
    fallback_step: str | None = None
    """The step of the ladder that answered it, or failed last; None where the ladder was not needed."""
