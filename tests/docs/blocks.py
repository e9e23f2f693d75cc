"""The fenced code blocks of a document."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ILLUSTRATIONS = frozenset({"text", "mermaid"})
"""Languages of blocks that are no commands."""


class Block(msgspec.Struct, frozen=True):
    """One fenced block."""

    page: str
    line: int
    language: str
    """`shell` where the document names none."""
    text: str
    reason: str | None
    """Why the test does not run it; None for a block that it runs."""


def blocks_of(page: Path, root: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order, illustrations left out."""
    markdown = page.read_text()
    for found in _FENCE.finditer(markdown):
        language = found["language"] or "shell"
        if language not in ILLUSTRATIONS:
            line = markdown.count("\n", 0, found.start("text")) + 1
            yield Block(page.relative_to(root).as_posix(), line, language, found["text"], found["reason"])
