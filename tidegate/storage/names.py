"""The names of keys and channels in Redis. Nothing else in Python builds one; `lua/names.lua` has the same rule.

    {PREFIX}:KIND               where there is one of the kind
    {PREFIX}:KIND:TEXT          where there is one for each text: a scope, a lane, a process …
    {PREFIX}:KIND:TEXT:TEXT     where there is one for each pair
    {PREFIX}:KIND.2…            where the format is not the kind's first one

The braces make `{PREFIX}` the hash tag of all names: a Redis Cluster keeps them in one slot. Texts come from callers,
so they are escaped: no text can end early, and none can continue into the name of another key. The version belongs to
everything about a kind: Redis's type, the fields, and the order of the texts. Processes of two releases share Redis
during an update, and each reads what the other writes under the same name. So a change that the other release would
misread needs the next version here (docs/decisions/0040).
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

RedisType = Literal["string", "hash", "list", "set", "zset", "stream", "channel", "any"]


class KeyKind(msgspec.Struct, frozen=True):
    """What is stored under the names of a kind."""

    type: RedisType
    texts: int = 0
    """The number of texts in a name."""
    version: int = 1
    """The version of the format; the first is not written in the name."""


KINDS: Mapping[str, KeyKind] = {
    # stored answers and flights
    "answer": KeyKind("hash", texts=1),  # by fingerprint
    "answers_of": KeyKind("zset", texts=1),  # by the digest of an end user
    "answers_in": KeyKind("zset", texts=1),  # by project
    "answers_held": KeyKind("zset"),
    "answers_tidied": KeyKind("string"),
    "purged": KeyKind("hash"),
    "flight": KeyKind("string", texts=1),  # by fingerprint
    # answers to questions in other words
    "semantic_account": KeyKind("hash", texts=2),  # by mode and project
    "semantic_pending": KeyKind("hash", texts=2),  # by mode and project
    "semantic_tally": KeyKind("hash", texts=2),  # by mode and scope
    "semantic_changes": KeyKind("stream"),
    "process": KeyKind("channel", texts=1),  # by process
    # limits, by scope; counters also by day or month
    "rpm": KeyKind("string", texts=1),
    "tpm": KeyKind("string", texts=1),
    "rpd": KeyKind("string", texts=2),
    "named": KeyKind("set", texts=2),  # by project
    "flying": KeyKind("zset", texts=1),
    "spent": KeyKind("string", texts=2),
    "held": KeyKind("string", texts=2),
    "warned": KeyKind("string", texts=2),
    # reservations and the rebuild of budget counters
    "holds": KeyKind("hash"),
    "holds:due": KeyKind("zset"),
    "lost": KeyKind("hash"),
    "late": KeyKind("string", texts=1),  # by request
    "memory": KeyKind("string"),
    "run": KeyKind("string"),
    "doubt": KeyKind("string"),
    "counted": KeyKind("string"),
    "counting": KeyKind("string"),
    "journal": KeyKind("hash"),
    "journal:read": KeyKind("set"),
    "ledger": KeyKind("stream"),
    "ledger:set_aside": KeyKind("any", texts=1),  # by time; what stood in the ledger's place and was no stream
    # the queue
    "lane": KeyKind("string", texts=1, version=2),  # these by lane
    "lane_waiting": KeyKind("hash", texts=1, version=2),
    "lane_flows": KeyKind("hash", texts=1, version=2),
    "lane_line": KeyKind("zset", texts=2, version=2),  # and flow
    "lanes": KeyKind("set", version=2),
    "lanes_known": KeyKind("zset", version=2),
    "lane_grants": KeyKind("channel", texts=1, version=2),  # by process
    "alive": KeyKind("string", texts=1),  # by process
    "processes": KeyKind("zset"),
    # alerts
    "alerts:figures": KeyKind("hash"),
    "alerts:judged": KeyKind("string"),
    "alerts:states": KeyKind("string"),
    # the dashboard's ring
    "ring": KeyKind("hash", texts=1),  # by minute
    # health, background responses, API keys, the fingerprints of upstream keys
    "standing": KeyKind("hash"),
    "standing:limits": KeyKind("zset"),
    "standing:claim": KeyKind("string", texts=1),
    "standing:news": KeyKind("channel"),
    "background": KeyKind("channel"),
    "keys:epoch": KeyKind("string"),
    "upstream_keys": KeyKind("zset"),
}


def escape(text: str) -> str:
    """Return a text as it stands in a name: without `:`, which ends a text there."""
    return text.replace("%", "%25").replace(":", "%3A")


def unescape(text: str) -> str:
    """Return the text that `escape` or `path` was given."""
    return text.replace("%2F", "/").replace("%3A", ":").replace("%25", "%")


def path(*parts: str) -> str:
    """Return texts as one text, joined by `/`. Only in the last one may a `/` stand unescaped."""
    *first, last = map(escape, parts)
    return "/".join([*(part.replace("/", "%2F") for part in first), last])


class RedisNames:
    """The names of one deployment."""

    def __init__(self, prefix: str) -> None:
        """`prefix` is `redis.prefix`."""
        self.tag = f"{{{prefix}}}"
        """With which all names begin; the scripts build names from it."""

    def __repr__(self) -> str:
        return f"<RedisNames {self.tag}>"

    def of(self, kind: str, *texts: str) -> str:
        """Return the name for these texts."""
        if len(texts) != KINDS[kind].texts:
            raise TypeError(f"a name of the kind {kind} has {KINDS[kind].texts} texts, not {len(texts)}")
        return ":".join((self._kind(kind), *map(escape, texts)))

    def start(self, kind: str) -> str:
        """Return what stands before the text, for a text that needs no escape: a hash, an id of Tidegate's."""
        return f"{self._kind(kind)}:"

    def _kind(self, kind: str) -> str:
        version = KINDS[kind].version
        return f"{self.tag}:{kind}" if version == 1 else f"{self.tag}:{kind}.{version}"
