"""Find secrets in a file that is read in parts, so that its size does not matter."""

import re
from collections.abc import Iterator

from tidegate.leaks.patterns import OVERLAP, Sighting, keys_in, values_in
from tidegate.leaks.tar_stream import Source

PART_BYTES = 1024 * 1024
_SETTINGS = re.compile(
    r"(?i)(?:^|/)(?:\.env[^/]*|[^/]*\.env|\.netrc|\.npmrc|\.pypirc|\.pgpass|credentials|[^/]*\.tfvars|secrets?\.[a-z]+)$"
)


def scan_text(name: str, source: Source) -> Iterator[Sighting]:
    """Yield the secrets in a file. In a file of settings, such as `.env`, names tell secrets, too."""
    is_settings = _SETTINGS.search(name) is not None
    seen: set[Sighting] = set()
    named: list[Sighting] = []
    data, begin, is_last = b"", 0, False
    while not is_last:
        part = source.read(PART_BYTES)
        data, is_last = data + part, not part
        # the rest is examined with the next part, so that no key is cut off
        end = len(data) if is_last else max(begin, len(data) - OVERLAP)
        for sighting in keys_in(data, begin, end):
            if sighting not in seen:
                seen.add(sighting)
                yield sighting
        if is_settings and not named:
            named = [sighting for _, sighting in values_in(data)][:1]
        data, begin = (data[end - 1 :], 1) if end else (data, 0)  # with the character before it
    if not seen:
        yield from named
