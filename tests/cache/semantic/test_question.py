"""What is read in a question: texts of every script keep their letters, and what turns a question round is seen."""

import pytest

from tests.cache.semantic.parts import read
from tidegate.cache.semantic.question import are_opposed, are_reordered, key_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I pay?", "  how do i   PAY "),
        ("Where is it?!", "where is it"),
        ("\uff28\uff45\uff4c\uff4c\uff4f", "hello"),
        ("Caf\u00e9", "Cafe\u0301"),
    ],
)
def test_spellings_of_one_question_have_one_key(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("你好吗", "再见"),
        ("Где мой заказ", "Отмени мой заказ"),
        ("أين طلبي", "كيف أدفع"),
        ("🙂", "🙁"),
        ("?", "!"),
        ("", "a"),
        ("5 apples", "6 apples"),
        ("résumé", "resume"),
    ],
)
def test_texts_of_any_script_stay_different(one: str, other: str) -> None:
    assert key_of(one) != key_of(other)


def test_a_text_without_words_is_read_as_nothing() -> None:
    question = read("?!")
    assert (question.words, question.content, question.numbers) == ((), frozenset(), frozenset())


def test_a_text_of_100_kilobytes_is_read() -> None:
    assert len(read("word " * 20_000).words) == 20_000


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("send 100 dollars", {"100"}),
        ("a table for two", {"2"}),
        ("ein Tisch für drei", {"3"}),
        ("une table pour quatre", {"4"}),
        ("on Monday at 10:30", {"monday", "10:30"}),
        ("which one", set()),
    ],
)
def test_numbers_are_read_in_digits_and_words(text: str, numbers: set[str]) -> None:
    assert read(text).numbers == numbers


@pytest.mark.parametrize(
    "text",
    ["I can't pay", "I cannot pay", "I can\u2019t pay", "ich kann nicht", "je ne peux pas", "no puedo", "non posso"],
)
def test_negations_are_seen(text: str) -> None:
    assert read(text).negates


def test_a_question_without_a_negation_has_none() -> None:
    assert not read("how do I pay by card").negates


@pytest.mark.parametrize(
    ("one", "other", "opposed"),
    [
        ("turn it on", "turn it off", True),
        ("Konto sperren", "Konto entsperren", True),
        ("ouvrir un compte", "fermer un compte", True),
        ("turn it on", "switch it on", False),
        ("turn it on or off", "turn it off", False),
    ],
)
def test_opposites_are_seen(one: str, other: str, *, opposed: bool) -> None:
    assert are_opposed(read(one), read(other)) is opposed
    assert are_opposed(read(other), read(one)) is opposed


@pytest.mark.parametrize(
    ("one", "other", "reordered"),
    [
        ("flights from Oslo to Rome", "flights from Rome to Oslo", True),
        ("dollars to euros please", "euros to dollars", True),
        ("does Anna owe Ben", "does Ben owe Anna", True),
        ("how do I pay by card", "how can I pay by card", False),
        ("fees for transfers", "what are transfers fees", False),
    ],
)
def test_another_order_is_seen_where_it_matters(one: str, other: str, *, reordered: bool) -> None:
    assert are_reordered(read(one), read(other)) is reordered
