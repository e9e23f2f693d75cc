"""What is done when Redis refuses a write because its memory is full (`OOM`). `RedisLink` uses it. No I/O.

Stored answers are dropped long before, see `cache/memory_guard.py`. If Redis is full all the same, for example of
another application's data, budgets, limits and the ledger may take a tenth more than `maxmemory`: they are small, and
most of them are freed at the end of a call. Beyond the tenth, a full Redis is an outage.
"""

import re
from functools import lru_cache

from redis.exceptions import ResponseError

from tidegate.storage.script import Script

_FULL = re.compile(r"\bOOM\b|used memory > 'maxmemory'")
_COMMAND = "return redis.call(unpack(ARGV))"


def is_full(error: BaseException | None) -> bool:
    """Return whether a command or script failed because the memory of Redis is full."""
    return isinstance(error, ResponseError) and _FULL.search(str(error)) is not None


@lru_cache(maxsize=64)
def writing_anyway(script: Script | None = None) -> str:
    """Return the text of a script that writes although the memory is full; without a script, that of one command.

    The command's words are its arguments then, and its key is its key.
    """
    return f"{Script('write_anyway').text}\n{_COMMAND if script is None else script.text}"
