"""RESULTS.md, and the pages that quote it. Each quoted block stands in both, and a test compares them."""

from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).parents[1]
RESULTS = _ROOT / "benchmarks" / "RESULTS.md"
QUOTES = {"README": _ROOT / "README.md", "capacity": _ROOT / "docs" / "guides" / "capacity.md"}
"""The pages that quote a block, by the block's name."""


def quoted(text: str, name: str) -> str:
    """Return the block `name` of a page. Raises ValueError where it has none."""
    begin, end = _marks(name)
    _, found, rest = text.partition(begin)
    block, ended, _ = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no block between {begin} and {end}")
    return block.strip("\n")


def with_block(text: str, name: str, block: str) -> str:
    """Return the page with another block `name`. Raises ValueError where it has none."""
    begin, end = _marks(name)
    return text.replace(f"{begin}\n{quoted(text, name)}\n{end}", marked(name, block))


def marked(name: str, block: str) -> str:
    """Return the block between its marks."""
    begin, end = _marks(name)
    return f"{begin}\n{block}\n{end}"


def write(document: str, blocks: Mapping[str, str]) -> None:
    """Write the first part of RESULTS.md, its blocks, and the pages that quote them; other results stay."""
    told = [document, *(marked(name, block) + "\n" for name, block in blocks.items())]
    _, following, others = RESULTS.read_text().partition("\n# ")
    RESULTS.write_text("\n".join(told) + following + others)
    for name, block in blocks.items():
        QUOTES[name].write_text(with_block(QUOTES[name].read_text(), name, block))


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- make bench: {name} -->", f"<!-- make bench: end of {name} -->"
