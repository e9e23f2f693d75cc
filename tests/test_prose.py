"""What a person reads is plain: short sentences, and no riddles about who does what."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.shape import prose
from tidegate.cli.application import application
from tidegate.core.errors import TidegateError

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md")]
"""Those that `tests/docs/test_pages.py` does not look at."""
SOURCES = [path for path in sorted((ROOT / "tidegate").rglob("*")) if path.suffix in {".py", ".sql", ".lua"}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_of_a_page_is_longer_than_25_words(page: Path) -> None:
    assert list(prose.long_sentences(page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_speaks_in_riddles(page: Path) -> None:
    assert list(prose.riddles(page.read_text())) == []


def test_no_error_speaks_in_riddles() -> None:
    texts = {kind.__name__: kind.__doc__ or "" for kind in _below(TidegateError)}
    assert [(name, found) for name, text in texts.items() for found in prose.riddles(text)] == []


def test_no_help_text_speaks_in_riddles() -> None:
    texts = list(_help_texts(typer.main.get_command(application())))
    assert len(texts) > 50, "the whole command line was read"
    assert [found for text in texts for found in prose.riddles(text)] == []


def test_no_docstring_comment_or_query_speaks_in_riddles() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in SOURCES}
    assert [f"{name}: {found}" for name, text in texts.items() for found in prose.riddles(text)] == []


def _below(kind: type[TidegateError]) -> Iterator[type[TidegateError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _help_texts(command: Any) -> Iterator[str]:
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", None) or ""
    for child in getattr(command, "commands", {}).values():
        yield from _help_texts(child)
