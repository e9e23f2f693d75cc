"""A call hangs up on the connection that it has, on the last one where it had several, and on none before."""

import pytest

from tidegate.providers.http.answer import CallConnection


class Side:
    """A half of a connection that is open or not."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.asked = 0

    def end_sending(self) -> bool:
        self.asked += 1
        return self.is_open


def test_a_call_that_was_not_sent_has_nothing_to_hang_up_on() -> None:
    assert not CallConnection().end_sending()


@pytest.mark.parametrize("is_open", [True, False])
def test_the_last_connection_counts(is_open: bool) -> None:
    first, last, call = Side(is_open=True), Side(is_open=is_open), CallConnection()
    call.note_connected(first)
    call.note_connected(last)
    assert call.end_sending() is is_open
    assert (first.asked, last.asked) == (0, 1)
