"""What a caller's `Cache-Control` asks for (RFC 9111, section 5.2.1)."""

import msgspec


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which use of stored answers a call allows."""

    lookup: bool = True
    """A stored answer will do."""
    store: bool = True
    """The answer may be stored and shared with those who ask the same now."""
    max_age: int | None = None
    """Seconds that a stored answer may be old; None for as long as it is kept."""
    only_stored: bool = False
    """Do not ask the upstream."""


DEFAULT_POLICY = CachePolicy()
NO_STORE_POLICY = CachePolicy(lookup=False, store=False)


def parse_cache_control(cache_control: str | None) -> CachePolicy:
    """The policy of a `Cache-Control` header; directives nobody knows are ignored, as the RFC says."""
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
