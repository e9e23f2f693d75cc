"""An old key is deleted only when no process has used it for long enough, and it is known who uses the new one."""

from tidegate.secrets.retirement import OldKey, quiet_seconds


def old_key() -> OldKey:
    key = OldKey(replaced_at=100.0, quiet_seconds=60.0)
    key.note_new_key()
    return key


def test_it_must_be_quiet_from_the_rotation_on() -> None:
    assert old_key().seconds_left(130.0) == 30.0
    assert old_key().seconds_left(160.0) == 0.0


def test_each_use_begins_the_time_anew_and_an_older_one_does_not() -> None:
    key = old_key()
    key.note_use(150.0)
    key.note_use(110.0)
    assert key.seconds_left(160.0) == 50.0


def test_while_nothing_can_be_read_it_counts_as_used() -> None:
    key = old_key()
    key.note_unknown(159.0)
    assert key.seconds_left(160.0) == 59.0


def test_without_a_process_that_uses_the_new_key_it_is_never_deleted() -> None:
    key = OldKey(replaced_at=100.0, quiet_seconds=60.0)
    assert key.seconds_left(1000.0) == 1.0
    key.note_new_key()
    assert key.seconds_left(1000.0) < 0


def test_the_quiet_time_is_twice_the_refresh_and_the_longest_call_and_a_pause_between_reports() -> None:
    assert quiet_seconds(refresh_seconds=300.0, longest_call_seconds=600.0, report_seconds=15.0) == 1215.0
