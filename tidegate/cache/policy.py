"""Reads a caller's `Cache-Control` header (RFC 9111, section 5.2.1), and applies what the operator keeps out."""

import msgspec

from tidegate.core.config import CacheConfig
from tidegate.wire.call import Call
from tidegate.wire.charges.hosted_tools import NO_PAID_TOOLS, paid_tools


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a call may use stored answers."""

    lookup: bool = True
    """Whether a stored answer may be given."""
    store: bool = True
    """Whether the answer may be stored, and shared with identical calls in progress."""
    max_age: int | None = None
    """The highest age of a stored answer in seconds; None for no limit."""
    only_stored: bool = False
    """Whether the call must not be sent upstream."""
    idempotency_key: str = ""
    """Of a call whose answer is not stored: calls in progress of one API key that state the same one share it."""

    @property
    def may_join(self) -> bool:
        """Whether a call may share the answer of an identical one in progress."""
        return self.lookup or bool(self.idempotency_key)


DEFAULT_POLICY = CachePolicy()
NO_STORE_POLICY = CachePolicy(lookup=False, store=False)


def parse_cache_control(cache_control: str | None) -> CachePolicy:
    """Return the policy of a `Cache-Control` header. Unknown directives are ignored, as the RFC requires."""
    if not cache_control:
        return DEFAULT_POLICY
    names = {
        part.strip().lower().partition("=")[0]: part.strip().partition("=")[2] for part in cache_control.split(",")
    }
    if "no-store" in names:
        return NO_STORE_POLICY
    age = names.get("max-age", "").strip('"')
    max_age = min(int(age), 2**31) if age.isascii() and age.isdigit() and len(age) <= 12 else None
    return CachePolicy(
        lookup="no-cache" not in names and max_age != 0,
        max_age=max_age,
        only_stored="only-if-cached" in names,
    )


def with_idempotency_key(policy: CachePolicy, key: str | None) -> CachePolicy:
    """Return the policy of a call that states an `idempotency-key`.

    A client that sends a request twice at once, to take the faster answer, states the same one in both. So both are one
    call, whether or not answers are stored.
    """
    return policy if policy.store or not key else msgspec.structs.replace(policy, idempotency_key=key)


def is_kept_out(call: Call, config: CacheConfig) -> bool:
    """Return whether the configuration keeps the answer out of the cache.

    It may keep out what tools of the provider found, because that ages, and what is sampled with a temperature above 0,
    sent or by default, because callers may want another answer each time.
    """
    if not config.store_sampled and _is_sampled(call):
        return True
    return not config.store_hosted_tools and paid_tools(call.endpoint, call.model, call.body) != NO_PAID_TOOLS


def _is_sampled(call: Call) -> bool:
    temperature = call.body.get("temperature")
    if temperature is None:
        temperature = call.endpoint.defaults.get("temperature", 0)
    return not isinstance(temperature, int | float) or temperature > 0
