"""The secrets that this process has loaded, and their removal from text by exact match.

Patterns (`tidegate.core.scrub`) find keys of known forms. A password, or the key of another provider, has no form: it
is found because it is known, in clear and as it stands in addresses, headers and JSON.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit

REDACTED = "[redacted]"
MIN_CHARACTERS = 8
"""A shorter value may be an ordinary word, whose removal would make logs useless."""
_KEY_CHARACTERS = 16
"""A value of so many characters is a key, and no word that longer words begin with."""
_KEPT_VALUES = 3
"""Of each secret: the present value, and those before it, which calls in flight may still use."""
_MAX_NAMES = 500


class KnownSecrets:
    """The values of all secrets, by their names. Any thread may use it."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, ...]] = {}
        self._pattern: re.Pattern[str] | None = None
        """Of all values; built when a text is read, because many secrets may be loaded before."""
        self._is_complete = True
        self._lock = threading.RLock()  # a signal handler that logs may interrupt it

    def __repr__(self) -> str:
        return f"<KnownSecrets: {len(self._values)}>"

    def remember(self, name: str, value: str) -> None:
        """Remove `value` from every text from now on, and the last two before it that had this name.

        Of more than 500 names the one that was loaded longest ago is left out: what is loaded now is in use.
        """
        with self._lock:
            known = self._values.pop(name, ())
            if not known and len(self._values) >= _MAX_NAMES:
                del self._values[next(iter(self._values))]
            self._values[name] = (value, *(each for each in known if each != value))[:_KEPT_VALUES]
            if known[:1] != (value,):
                self._is_complete = False

    def redact(self, text: str) -> str:
        """Return the text with each known value replaced by `[redacted]`."""
        pattern = self._pattern if self._is_complete else self._build()
        return text if pattern is None else pattern.sub(REDACTED, text)

    def _build(self) -> re.Pattern[str] | None:
        with self._lock:
            forms = {form for values in self._values.values() for each in values for form in forms_of(each)}
            # longer ones first: a short one may be a part of a long one
            ordered = sorted(forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_pattern_of, ordered))) if ordered else None
            self._is_complete = True
            return self._pattern


def _pattern_of(form: str) -> str:
    # of a longer key that begins like a known one nothing may remain: its rest has no known form
    return re.escape(form) + (r"[A-Za-z0-9_\-]*" if len(form) >= _KEY_CHARACTERS else "")


def forms_of(value: str) -> frozenset[str]:
    """Return all texts by which a value could be read: in clear, and encoded. Of an address, those of its password."""
    try:
        address = urlsplit(value)
        user, password = address.username or "", address.password or ""
    except ValueError:  # no address: a key with brackets
        return frozenset(_forms(value))
    if not address.scheme or not address.netloc:
        return frozenset(_forms(value))
    if not password:
        return frozenset()  # an address without a password is no secret
    user, plain = unquote(user), unquote(password)
    basic = _base64(f"{user}:{plain}") if len(plain) >= MIN_CHARACTERS else []
    return frozenset([*_forms(value), *_forms(password), *_forms(plain), *basic])


def _forms(value: str) -> Iterator[str]:
    if len(value) >= MIN_CHARACTERS:
        yield from (value, quote(value), quote(value, safe=""), quote_plus(value))
        yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
        yield from _base64(value)
        yield from _base64(f":{value}")


def _base64(text: str) -> list[str]:
    """Return both alphabets, without what fills up the end."""
    content = text.encode(errors="surrogatepass")
    return [encode(content).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)]
