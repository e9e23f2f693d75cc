"""Lua scripts, known to Redis by their digest. `RedisLink` runs them."""

import hashlib
import re
from importlib import resources

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


def _lua(name: str) -> str:
    return resources.files("tidegate.storage.lua").joinpath(f"{name}.lua").read_text()


class Script:
    """A Lua script from `tidegate/storage/lua`, known to Redis by its digest.

    A line `-- include: NAME` stands for the text of another file, which defines functions.
    """

    def __init__(self, name: str) -> None:
        """`name` is the file's name without its ending."""
        self.name = name
        self.text = _INCLUDE.sub(lambda found: _lua(found[1]), _lua(name))
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.name})"
