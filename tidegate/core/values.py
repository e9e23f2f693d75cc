"""The frozen values that pass between packages."""

from collections.abc import Mapping
from enum import Enum
from functools import cached_property

import msgspec

from tidegate.core.errors import ConnectionFailed, TidegateError
from tidegate.core.tags import Tag


class Priority(Enum):
    """The priority classes of the queue; the value is a class's share of the slots."""

    HIGH = 16
    NORMAL = 4
    LOW = 1

    @cached_property
    def label(self) -> str:
        """The name in the database, the admin API and the command line."""
        return self.name.lower()

    @cached_property
    def weight(self) -> int:
        """The slots that it gets for each slot of the lowest class."""
        return self.value


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a key, a project or an end user. None: no limit. 0: nothing is allowed."""

    rpm: int | None = None
    """Requests per minute."""
    rpd: int | None = None
    """Requests per day."""
    tpm: int | None = None
    """Tokens per minute."""
    concurrency: int | None = None
    """Calls in progress at the same time."""
    budget_day: int | None = None
    """Nano-dollars per day."""
    budget_week: int | None = None
    """Nano-dollars per week, from Monday."""
    budget_month: int | None = None
    """Nano-dollars per month."""

    @property
    def budgets(self) -> dict[str, int | None]:
        """The budgets in nano-dollars, by their period."""
        return {"day": self.budget_day, "week": self.budget_week, "month": self.budget_month}

    @property
    def is_unlimited(self) -> bool:
        """Whether nothing is limited."""
        return self == _UNLIMITED


_UNLIMITED = Limits()


class AnswerQuota(msgspec.Struct, frozen=True, kw_only=True):
    """The memory in Redis that stored answers may take, in bytes."""

    project_bytes: int
    """The answers of one project."""
    total_bytes: int
    """The answers of all projects."""


NO_QUOTA = AnswerQuota(project_bytes=0, total_bytes=0)
"""Nothing is stored."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The caller: one API key of one project, without key material."""

    key_id: str
    project: str
    name: str
    expires_at: float | None = None
    """Unix seconds, or None for never."""
    hint: str = ""
    """The last four characters of the secret that was sent, by which an operator tells keys apart."""
    admin: bool = False
    """Whether it may administer the gateway; then it may not call models."""
    read_only: bool = False
    """Whether, as an admin key, it may change nothing."""
    limits: Limits = _UNLIMITED
    """The limits of the key."""
    project_limits: Limits = _UNLIMITED
    """The limits that all keys of the project share."""
    user_limits: Limits = _UNLIMITED
    """The limits of each end user of the project."""
    tag_limits: Mapping[Tag, Limits] = {}
    """The limits of the project's tags; those of `NAME=*` hold for each value that has none of its own."""
    priority: Priority = Priority.NORMAL
    models: frozenset[str] = frozenset()
    """The models that it may use; empty for all."""


class AnswerHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an answer when it begins."""

    stream: bool
    """Whether it comes as events, or as one body."""
    served_by: str
    """`provider/model`, for `x-tidegate-served-by`; empty while it is unknown."""
    echo: str = ""
    """The values of its caller's request that it repeats, as canonical JSON; empty for none."""
    queued_ms: int = 0
    """How long it waited for the upstream's capacity."""
    adaptations: tuple[str, ...] = ()
    """The changes that were made to the request for its target, for `x-tidegate-adapted`."""
    stale: bool = False
    """Whether it is a stored answer that is no longer fresh, given because no upstream could answer."""
    age: int | None = None
    """Seconds since it was stored; None if it was not."""


_NO_WORK_SECONDS = 1.0
"""A connection that is lost within this time is assumed to have done no work."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an upstream call ended."""

    error: TidegateError | None = None
    """Why there is no complete answer."""
    reported_error: TidegateError | None = None
    """The same, or what a complete answer reports: a failure (a Response with status `failed`), or no reason to end."""
    stream: bool = False
    events: tuple[bytes, ...] = ()
    """The answer, complete or partial: its events, or its one body."""
    usage: bytes | None = None
    """The JSON of the upstream's usage object; None if it did not arrive."""
    model: str | None = None
    """The model that answered."""
    service_tier: str | None = None
    """The `service_tier` that answered."""
    storable: bool = False
    """Whether it is complete and successful, so that it may be reused."""
    sent: bool = True
    """Whether the call reached the upstream, which may therefore charge for it."""
    first_byte_seconds: float | None = None
    """From the call to the answer's first byte."""
    upstream_request_id: str | None = None
    provider: str | None = None
    """The provider that answered, or failed last; `canned` for a canned reply."""
    target_model: str | None = None
    """The model that was requested from the provider."""
    credential: str | None = None
    """The name of the credential with which the call was sent."""
    adaptations: tuple[str, ...] = ()
    """The changes that were made to the request for this target."""
    fallback_step: str | None = None
    """The fallback step that answered, or failed last."""
    attempts: int = 1
    """How often the call was sent."""
    previous_attempts: tuple["Outcome", ...] = ()
    """The outcomes of the earlier attempts."""
    seconds: float = 0.0
    """From the call to its end."""
    silent_seconds: float = 0.0
    """The part of them after the last byte that was read."""
    writing_seconds: float = 0.0
    """The part of them from a stream's first content to the last byte that was read."""
    queued_ms: int = 0
    """How long the call waited for the capacity of its upstreams, with the pauses before it was sent again."""
    hang_up_was_seen: bool = False
    """Whether the upstream is known to have noticed, at the end of `seconds`, that the client left."""
    hang_up_delay: float = 0.0
    """Seconds by which that took longer than usual: so busy are the upstream, the way to it or this process now."""

    @property
    def may_be_charged(self) -> bool:
        """Whether the upstream may have generated output, and so may charge for it, even if none arrived.

        A connection lost within 1 s is assumed to have done no work; a later one may have been billed. What was never
        connected was not: the look-up of a name alone may take 5 s.
        """
        if not self.sent or self.error is None:
            return self.sent
        return self.error.may_be_charged or (
            isinstance(self.error, ConnectionFailed) and self.error.was_connected and self.seconds >= _NO_WORK_SECONDS
        )


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The tokens of one call.

    As OpenAI counts, `input` includes all kinds of input, and `output` all kinds of output. `cached` includes the
    cached tokens of sound and images, and these are part of `input_audio` and `input_image`, too.
    """

    input: int = 0
    cached: int = 0
    """Read from the provider's prompt cache."""
    cache_write: int = 0
    """Written to the provider's prompt cache, for however long."""
    cache_write_1h: int = 0
    """The part of `cache_write` that was written for an hour, which Anthropic charges more for."""
    output: int = 0
    reasoning: int = 0
    input_audio: int = 0
    cached_audio: int = 0
    input_image: int = 0
    cached_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    estimated: bool = False
    """Whether Tidegate estimated them, because the upstream's usage did not arrive."""

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum; it is estimated if one of the two is."""
        return Usage(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            input_audio=self.input_audio + other.input_audio,
            cached_audio=self.cached_audio + other.cached_audio,
            input_image=self.input_image + other.input_image,
            cached_image=self.cached_image + other.cached_image,
            output_audio=self.output_audio + other.output_audio,
            output_image=self.output_image + other.output_image,
            estimated=self.estimated or other.estimated,
        )
