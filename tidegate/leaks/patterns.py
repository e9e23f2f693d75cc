"""What a secret looks like. No I/O. Used by the scan of images and by the test over the committed files.

A key is recognized by the way in which its issuer writes it. A password has no form, so it is recognized by the name
that it is assigned to. Placeholders, references and invented keys made of words are no secrets.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator

import msgspec

OVERLAP = 1024
"""Bytes. No secret that is looked for is longer, so parts of a text overlap by as many."""

_LEAST_RUN = 16
_LEAST_ENTROPY = 3.0
_LEAST_DISTINCT = 8
_LEAST_PASSWORD = 8
_MOST_VALUE = 512


class Sighting(msgspec.Struct, frozen=True):
    """A secret that was seen."""

    kind: str
    fingerprint: str | None
    """The beginning of a key's SHA-256 digest. A password has none, because it could be guessed."""


class _KeyPattern(msgspec.Struct, frozen=True):
    """How an issuer writes its keys; `begin` is looked for first, because that is fast."""

    kind: str
    begin: bytes
    pattern: re.Pattern[bytes]


_PATTERNS = (
    _KeyPattern("key of a Tidegate gateway", b"sk-tg-", re.compile(rb"sk-tg-([0-9A-Za-z]{49})(?![0-9A-Za-z])")),
    _KeyPattern("API key of a model provider", b"sk-", re.compile(rb"sk-(?!tg-)([A-Za-z0-9_-]{20,300})")),
    _KeyPattern("access key of AWS", b"AKIA", re.compile(rb"(AKIA[A-Z2-7]{16})(?![A-Za-z0-9])")),
    _KeyPattern("access key of AWS", b"ASIA", re.compile(rb"(ASIA[A-Z2-7]{16})(?![A-Za-z0-9])")),
    _KeyPattern("API key of Google", b"AIza", re.compile(rb"(AIza[0-9A-Za-z_-]{35})(?![0-9A-Za-z_-])")),
    *(
        _KeyPattern("token of GitHub", begin, re.compile(re.escape(begin) + rb"([A-Za-z0-9]{36})(?![A-Za-z0-9])"))
        for begin in (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_")
    ),
    _KeyPattern("token of GitHub", b"github_pat_", re.compile(rb"(github_pat_[A-Za-z0-9_]{60,100})")),
    _KeyPattern("token of Slack", b"xox", re.compile(rb"(xox[abprs]-[A-Za-z0-9-]{20,200})")),
    _KeyPattern(
        "private key",
        b"-----BEGIN",
        re.compile(rb"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY-----(?:\r?\n|\\n)([A-Za-z0-9+/=]{60,})"),
    ),
)
_URL = re.compile(rb"://[A-Za-z0-9._%+-]{0,64}:([^\s:@/\"'<>{}$\\`]{8,128})@[A-Za-z0-9\[]")
_SECRET_NAME = re.compile(
    r"(?i)(?:api|access|secret|private|signing|encryption|admin|account|openai|azure|anthropic|auth)[_-]?key$"
    r"|secret(?!_?(?:name|path|file|arn|id)$)|token$|passw(?:or)?d$|passphrase$|connection_?string$"
)
_ASSIGNMENT = re.compile(rb"([A-Za-z][A-Za-z0-9_.-]{2,64})[\"']?\s{0,3}[:=]\s{0,3}[\"']?([^\s\"',;]{8,512})")
_PLACEHOLDER = re.compile(
    r"(?i)^(?:env|file|aws-sm|gcp-sm|azure-kv|vault):|^[/.~]|[<>${}*…]|\.\.\.|x{4,}"
    r"|example|changeme|change-me|placeholder|redacted|dummy|fake|your[-_]|^(?:true|false|none|null|[0-9.]+)$"
)
_RUN = re.compile(r"[A-Za-z0-9]+")


def keys_in(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Sighting]:
    """Find the keys that start from `begin` to `end`, by their form, and passwords in addresses if they look random."""
    end = len(data) if end is None else end
    for key in _PATTERNS:
        for start in _starts(data, key.begin, begin, end):
            begins_word = start == 0 or not chr(data[start - 1]).isalnum()
            found = key.pattern.match(data, start) if begins_word else None
            if found and is_random(found[1].decode()):
                yield Sighting(key.kind, fingerprint(found[0].decode()))
    for start in _starts(data, b"://", begin, end):
        if (found := _URL.match(data, start)) and is_random(found[1].decode(errors="replace")):
            yield Sighting("password in an address", None)


def _starts(data: bytes, sought: bytes, begin: int, end: int) -> Iterator[int]:
    start = data.find(sought, begin)
    while 0 <= start < end:
        yield start
        start = data.find(sought, start + len(sought))


def values_in(text: bytes) -> Iterator[tuple[str, Sighting]]:
    """Find random values that are assigned to a name like that of a secret; yield the name, too."""
    for found in _ASSIGNMENT.finditer(text):
        name, value = found[1].decode(), found[2].decode(errors="replace")
        if _SECRET_NAME.search(name) and is_random(value):
            yield name, Sighting("secret by its name", None)


def setting(name: str, value: str) -> Sighting | None:
    """Return what an environment variable, label or build argument gives away, or None.

    Here a password need not look random: it is set for the running program.
    """
    data = value.encode(errors="replace")
    for sighting in keys_in(data):
        return sighting
    if (found := _URL.search(data)) and not _PLACEHOLDER.search(found[1].decode(errors="replace")):
        return Sighting("password in an address", None)
    fits = _LEAST_PASSWORD <= len(value) <= _MOST_VALUE
    if fits and _SECRET_NAME.search(name) and not _PLACEHOLDER.search(value) and " " not in value:
        return Sighting("secret by its name", None)
    return None


def is_random(text: str) -> bool:
    """Return whether a part of the text was made by a random generator, as keys are; words of a language are not."""
    if _PLACEHOLDER.search(text):
        return False
    run = max(_RUN.findall(text), key=len, default="")
    has_both = any(sign.isdigit() for sign in run) and any(sign.isalpha() for sign in run)
    counts = Counter(run)
    entropy = -sum(count / len(run) * math.log2(count / len(run)) for count in counts.values())
    is_long = len(run) >= _LEAST_RUN and len(counts) >= _LEAST_DISTINCT
    return is_long and has_both and entropy >= _LEAST_ENTROPY


def fingerprint(key: str) -> str:
    """Return twelve hexadecimal digits by which equal keys are recognized. Use it for random keys only."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]
