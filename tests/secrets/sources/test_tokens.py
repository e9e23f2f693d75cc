"""A token is read once, again before it ends, and again after it was refused."""

from tidegate.core.clock import ManualClock
from tidegate.secrets.sources.tokens import Token, TokenCache


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    clock, texts = ManualClock(), iter(["one", "two", "three"])
    cache = TokenCache("the service", lambda: Token(next(texts), 3600.0), clock)
    assert [cache.token(), cache.token()] == ["one", "one"]
    clock.advance(3500.0)
    assert cache.token() == "two"
    cache.forget()
    assert cache.token() == "three"
    assert "three" not in repr(cache)
    assert "one" not in repr(Token("one", 1.0))
