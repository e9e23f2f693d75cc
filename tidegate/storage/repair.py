"""Keys in Redis whose values cannot be read: of another type, garbage, or damaged. `RedisLink` sets them aside.

A command or script that fails for what it found is not an outage: it would fail until the key expires, or for ever. The
link repairs Redis and repeats it. What is done to each kind of key stands in `lua/repair.lua`. No I/O.
"""

import re

from redis.exceptions import NoScriptError, ResponseError

from tidegate.storage.script import Script

MAX_REPAIRS = 8
"""The most keys that are set aside for one command."""

_REFUSED_VALUE = re.compile(r"WRONGTYPE|not an integer|not a valid float")
_UNWELL = re.compile(
    r"OOM|READONLY|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED|TRYAGAIN|non local key|NOPERM|NOAUTH|LOADING|BUSY"
)
"""Errors that say something about Redis itself, in a script's error, too."""
_REPAIRED = re.compile(r"REPAIRED ([^;]*);")
"""Redis puts its own words before it, Valkey and Redis 7 after it."""
_PLACE = "  -- the script"


def is_unreadable(error: BaseException | None, *, of_script: bool) -> bool:
    """Return whether a command or script failed for what it found in Redis."""
    if not isinstance(error, ResponseError) or isinstance(error, NoScriptError):
        return False
    return not _UNWELL.search(str(error)) if of_script else bool(_REFUSED_VALUE.search(str(error)))


def repaired_kinds(error: BaseException | None) -> list[str]:
    """Return the kinds of the keys that `repairing` set aside, by the error that it then gave."""
    found = _REPAIRED.search(str(error)) if isinstance(error, ResponseError) else None
    return sorted(set(found[1].split())) if found else []


def repairing(script: Script) -> str:
    """Return the text of a script that also sets aside the key which stops it."""
    return Script("repair_run").text.replace(_PLACE, script.text)
