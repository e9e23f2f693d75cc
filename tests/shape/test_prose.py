"""The checker of the documents finds long sentences and riddle words, and leaves code, tables and addresses alone."""

import pytest

from tests.shape.prose import MAX_WORDS, long_sentences, riddles

LONG = " ".join(["word"] * (MAX_WORDS + 1))
SHORT = " ".join(["word"] * MAX_WORDS)


@pytest.mark.parametrize(
    "markdown",
    [
        LONG,
        f"# {LONG}",
        f"- {LONG}",
        f"1. {LONG}",
        f"It is short. {LONG} `and` code.",
        f"{SHORT}; more",
        f"{LONG[:40]}\n{LONG[40:]}",
        f"A [link]({'a' * 30}) {LONG}",
        f"```\ncode\n```\n{LONG}\n```\ncode\n```",
    ],
)
def test_a_sentence_of_more_words_than_allowed_is_found(markdown: str) -> None:
    assert len(list(long_sentences(markdown))) == 1


@pytest.mark.parametrize(
    "markdown",
    [
        SHORT,
        f"{SHORT}.\n{SHORT.capitalize()}.",
        f"{SHORT}. `code` {SHORT[5:]}",
        f"# {SHORT}\n{SHORT}",
        f"- {SHORT}\n- {SHORT}",
        f"{SHORT}\n\n{SHORT}",
        f"```\n{LONG}\n```",
        f"| {LONG} |",
        f"<!-- {LONG} -->",
        f"`{LONG}` is one word.",
        f"[link]({LONG})",
    ],
)
def test_short_sentences_code_tables_and_comments_pass(markdown: str) -> None:
    assert list(long_sentences(markdown)) == []


@pytest.mark.parametrize("text", ["Nobody asks.", "ask\nwhoever it is", "| another's |", "(What is kept)"])
def test_a_riddle_word_is_found_with_its_line(text: str) -> None:
    assert len(list(riddles(text))) == 1


@pytest.mark.parametrize("text", ["The caller asks.", "`nobody`", "```\nnobody\n```", "The user nobodyson."])
def test_code_and_other_words_are_no_riddles(text: str) -> None:
    assert list(riddles(text)) == []
