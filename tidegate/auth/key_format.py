"""The format of API keys: `sk-tg-`, 43 characters that carry 256 random bits, and 6 characters of checksum.

The checksum tells a mistyped or invented key from a real one without a database query. Only the
SHA-256 digest of a key is ever stored; 256 random bits need no salt and no slow hash.
"""

import hashlib
import zlib
from collections.abc import Callable

PREFIX = "sk-tg-"

ByteSource = Callable[[int], bytes]
"""Return this many random bytes, as `os.urandom` does."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES = 32
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECK_LENGTH = 6  # 62 ** 6 > 2 ** 32
_TOKEN_LENGTH = len(PREFIX) + _SECRET_LENGTH + _CHECK_LENGTH


def generate(random_bytes: ByteSource) -> str:
    """Return a new key."""
    secret = PREFIX + _base62(int.from_bytes(random_bytes(_SECRET_BYTES), "big"), _SECRET_LENGTH)
    return secret + _check(secret)


def parse(token: str) -> bytes | None:
    """Return the digest under which the key is stored, or None if the text cannot be a key of this gateway."""
    secret, check = token[:-_CHECK_LENGTH], token[-_CHECK_LENGTH:]
    if len(token) != _TOKEN_LENGTH or not token.startswith(PREFIX) or not token.isascii():
        return None
    return digest(token) if check == _check(secret) else None


def tidied(pasted: str) -> str:
    """Return the key in a pasted text: without spaces, quotes, `Bearer` and the name of a header or variable."""
    words = pasted.replace("=", " ").replace(":", " ").split()
    bare = [word.strip("\"'`,;") for word in words]
    return next((word for word in bare if word.startswith(PREFIX)), bare[-1] if bare else "")


def digest(token: str) -> bytes:
    """Return the SHA-256 digest of the key, 32 bytes."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def hint(token: str) -> str:
    """Return the last four characters, by which an operator tells keys apart."""
    return token[-4:]


def _check(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
