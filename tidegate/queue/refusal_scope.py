"""Tells whom a 429 concerns: its call, its project, or the whole lane.

A limit of the account concerns all projects, so the second one soon gets a 429, too. A project that provokes 429s is
alone with them, and its neighbours must not wait for it. `feedback.py` asks this before it reports a 429 to the lane.
"""

from collections import deque
from enum import Enum

from tidegate.queue.capacity import OWN_REFUSAL_RUN

MIN_SUCCESSES = 5
"""Successes of other projects that show that a 429 concerns one project only."""
MAX_AGE_SECONDS = 60.0
"""Older answers show nothing."""
_REMEMBERED = 64


class RefusalScope(Enum):
    """Whom a 429 concerns."""

    CALL = "call"
    """It is one among many successes."""
    PROJECT = "project"
    """The calls of other projects succeed."""
    LANE = "lane"


class LatestAnswers:
    """The latest answers in one lane, in this process. Moments are monotonic."""

    def __init__(self) -> None:
        self._answers: deque[tuple[str, bool, float]] = deque(maxlen=_REMEMBERED)
        """Project, whether it was a success, and when the call was sent or the 429 received."""

    def note_success(self, project: str, sent_at: float) -> None:
        """Note a call that succeeded."""
        self._answers.append((project, True, sent_at))

    def note_refusal(self, project: str, now: float, *, is_used_up: bool = False) -> RefusalScope:
        """Note a 429; return whom it concerns. `is_used_up`: its headers say so of a limit."""
        scope = RefusalScope.LANE
        if self._others_succeed(project, now):
            scope = RefusalScope.PROJECT
        elif not is_used_up and self._is_rare():
            scope = RefusalScope.CALL
        if not self._answers or self._answers[-1][:2] != (project, False):  # a flood of them shows no more than one
            self._answers.append((project, False, now))
        return scope

    def _others_succeed(self, project: str, now: float) -> bool:
        """Return whether enough calls of other projects succeeded that were sent after their latest 429."""
        successes: list[float] = []
        after = now - MAX_AGE_SECONDS
        for other, is_success, moment in reversed(self._answers):
            if other == project:
                continue
            if not is_success:
                after = max(after, moment)
                break
            successes.append(moment)
        return sum(moment > after for moment in successes) >= MIN_SUCCESSES

    def _is_rare(self) -> bool:
        """Return whether the latest answers were all successes."""
        latest = [is_success for _, is_success, _ in self._answers][-OWN_REFUSAL_RUN:]
        return len(latest) == OWN_REFUSAL_RUN and all(latest)
