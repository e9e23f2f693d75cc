"""The ids of one answer share their digits, and differ by prefix and number."""

from tidegate.simulator.answers.reply import AnswerIdentity


def test_identifiers_of_one_answer_belong_together() -> None:
    identity = AnswerIdentity(digits="abc", now=0.0)
    assert [identity.make_id("call_", number) for number in range(3)] == ["call_abc", "call_abc1", "call_abc2"]
