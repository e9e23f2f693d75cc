"""Tokens are counted as by the tokenizer used before, on a stored corpus, and in a time that grows with the text."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.tokenizer import CL100K, O200K, tokenizer

CORPUS = msgspec.json.decode((Path(__file__).parent / "tokenizer_corpus.json").read_bytes())
"""Texts, repeated texts and seeded texts of an alphabet, with the counts of rs-bpe 0.1.0 in both encodings."""
ENCODINGS = (O200K, CL100K)
MILLION = 1_000_000
SECONDS = 5.0
"""The CPU time that a million characters may take. The slowest take half a second; quadratic ones would take hours."""


WITHOUT_FILES = """
import resource
from tidegate.core.tokenizer import O200K, import_extension, tokenizer
import_extension()
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
print(tokenizer(O200K).count("hello there"))
"""


def counts(text: str) -> list[int]:
    return [tokenizer(encoding).count(text) for encoding in ENCODINGS]


def drawn(ranges: list[list[int]], seed: str, texts: int) -> list[str]:
    """Return texts of up to 60 characters of these ranges, the same for each seed on every Python."""
    draw = random.Random(seed).random  # noqa: S311  # the same texts each time
    alphabet = [chr(point) for first, last in ranges for point in range(first, last + 1)]
    return ["".join(alphabet[int(draw() * len(alphabet))] for _ in range(1 + int(draw() * 60))) for _ in range(texts)]


@pytest.mark.parametrize("case", CORPUS["texts"], ids=lambda case: case["name"])
def test_texts_of_many_languages_and_kinds_count_as_before(case: dict[str, Any]) -> None:
    assert counts(case["text"]) == case["tokens"]


@pytest.mark.parametrize("case", CORPUS["repeats"], ids=lambda case: case["name"])
def test_long_repetitions_count_as_before(case: dict[str, Any]) -> None:
    assert counts(case["text"] * case["times"]) == case["tokens"]


@pytest.mark.parametrize("case", CORPUS["alphabets"], ids=lambda case: case["name"])
def test_drawn_texts_count_as_before(case: dict[str, Any]) -> None:
    texts = drawn(case["ranges"], case["name"], len(case["tokens"][0]))
    assert [[tokenizer(encoding).count(text) for text in texts] for encoding in ENCODINGS] == case["tokens"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["a", "ab", "aA", " ", "\n", " \n", "!", "1", "\u0301", "潮", "👩‍👩‍👧", "drawn"])
def test_a_hostile_text_takes_no_quadratic_time(text: str, encoding: str) -> None:
    count = tokenizer(encoding).count
    unit = "".join(drawn([[97, 122]], text, 2_000)) if text == "drawn" else text
    long = unit * (MILLION // len(unit))
    before = time.thread_time()
    count(long)
    assert time.thread_time() - before < SECONDS


@given(st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    for encoding in ENCODINGS:
        assert "".join(tokenizer(encoding).split(text)) == text


def test_a_character_of_several_tokens_stays_in_one_piece() -> None:
    assert tokenizer(O200K).split("tide 🦭") == ["t", "ide", " 🦭"]
    assert tokenizer(O200K).count("tide 🦭") > 3


def test_half_a_character_is_a_question_mark() -> None:
    assert tokenizer(O200K).split("a\ud83d") == ["a", "?"]
    assert tokenizer(O200K).count("a\ud83d") == 2


def test_a_process_without_file_descriptors_counts_once_the_extension_is_imported() -> None:
    finished = subprocess.run([sys.executable, "-c", WITHOUT_FILES], capture_output=True, text=True, check=True)
    assert finished.stdout == "2\n"
