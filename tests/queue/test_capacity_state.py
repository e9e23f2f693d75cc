"""All moments of a lane follow a clock that is set back, so that no wait grows by it."""

from tidegate.queue.capacity_state import CapacityState


def test_all_moments_follow_a_clock_that_is_set_back() -> None:
    state = CapacityState(
        last_answer_at=1000.0, not_before=1010.0, look_at=1005.0, closed_at=990.0, pace_at=1001.0, window_cut_at=999.0
    )
    state.follow_clock_back(900.0)
    assert (state.not_before, state.look_at, state.closed_at) == (910.0, 905.0, 890.0)
    assert (state.pace_at, state.window_cut_at, state.last_answer_at) == (901.0, 899.0, 900.0)


def test_a_small_difference_between_replicas_moves_nothing() -> None:
    state = CapacityState(last_answer_at=1000.0, look_at=1005.0)
    state.follow_clock_back(996.0)
    assert (state.look_at, state.last_answer_at) == (1005.0, 1000.0)
