"""The first content, silence and the whole have deadlines of their own, and the error names the one that passed."""

import pytest

from tests.providers.targets import config_of
from tidegate.core.errors import ConnectTimeout, FirstByteTimeout, IdleTimeout, TotalTimeout
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.options import connection_options


class ManualLoop:
    """An event loop's clock that is set by hand."""

    now = 100.0

    def time(self) -> float:
        return self.now


def deadlines(loop: ManualLoop) -> Deadlines:
    config = config_of("http://127.0.0.1:9", first_byte_seconds=10, idle_seconds=5, total_seconds=30, connect_seconds=2)
    return Deadlines(connection_options(config), loop)  # type: ignore[arg-type]  # its clock is all that is used


def test_before_any_content_the_first_deadline_runs_whatever_else_comes() -> None:
    loop = ManualLoop()
    call = deadlines(loop)
    assert call.next_deadline == 110
    loop.now = 108
    call.note_byte()
    assert call.next_deadline == 110
    assert not call.are_over()
    loop.now = 110
    assert call.are_over()
    assert isinstance(call.timeout_error(), FirstByteTimeout)


def test_once_content_has_begun_silence_counts_until_the_whole_is_over() -> None:
    loop = ManualLoop()
    call = deadlines(loop)
    loop.now = 109
    call.begin_content()
    assert call.next_deadline == 114
    assert isinstance(call.timeout_error(), IdleTimeout)
    loop.now = 127
    call.note_byte()
    assert call.next_deadline == 130
    assert isinstance(call.timeout_error(), TotalTimeout)


@pytest.mark.parametrize("seconds", ["2"])
def test_connecting_has_a_deadline_too(seconds: str) -> None:
    error = deadlines(ManualLoop()).connect_error()
    assert isinstance(error, ConnectTimeout)
    assert f"upstream.connect_seconds = {seconds} s" in error.message
