"""When an old upstream key may be deleted: no process has used it for long enough. Pure: times are given."""


class OldKey:
    """What is known of the use of a key that was replaced. All times are seconds of one clock."""

    def __init__(self, *, replaced_at: float, quiet_seconds: float) -> None:
        """`quiet_seconds` is how long it must not have been used."""
        self._quiet_seconds = quiet_seconds
        self._used_at = replaced_at
        self._is_new_key_in_use = False

    def __repr__(self) -> str:
        return f"<OldKey: used at {self._used_at:.0f}, must be quiet for {self._quiet_seconds:g} s>"

    def note_use(self, at: float) -> None:
        """A process, or the provider, says that the key was used then."""
        self._used_at = max(self._used_at, at)

    def note_new_key(self) -> None:
        """A process says that it uses the new key: so the reports are those of the right gateway."""
        self._is_new_key_in_use = True

    def note_unknown(self, now: float) -> None:
        """It cannot be read who uses the key: then it may have been used until now."""
        self._used_at = max(self._used_at, now)

    def seconds_left(self, now: float) -> float:
        """Return for how long the key must still not be used; at most 0 where it may be deleted."""
        left = self._used_at + self._quiet_seconds - now
        return left if self._is_new_key_in_use else max(left, 1.0)


def quiet_seconds(*, refresh_seconds: float, longest_call_seconds: float, report_seconds: float) -> float:
    """Return how long no process must have reported a key before it may be deleted.

    Twice the refresh, so that each process has read the new one though a read failed; and the longest call, which may
    have begun just before. A process may have used it for as long as one pause between reports after the last one.
    """
    return 2 * refresh_seconds + longest_call_seconds + report_seconds
