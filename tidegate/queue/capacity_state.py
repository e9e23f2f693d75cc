"""What is remembered of a lane's capacity: `capacity.py` decides by it, and `storage/lua/capacity.lua` stores it."""

from dataclasses import dataclass, field

START_WINDOW = 3.0
"""The window at first, and after an outage: an upstream whose limit is used up rejects all of these."""
CLOCK_STEP_SECONDS = 5.0
"""Seconds; a last response further in the future means that the clock was set back. Replicas' clocks differ by less."""


@dataclass(slots=True)
class CapacityState:
    """The state of a lane; `capacity.lua` stores it. Moments are in Unix seconds; pairs are (requests, tokens)."""

    limits: list[int] = field(default_factory=lambda: [0, 0])
    """Learnt limits per minute; 0 where unknown."""
    full_at: list[float] = field(default_factory=lambda: [0.0, 0.0])
    light_reserve: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Seconds of refill reserved for light flows, at most LIGHT_RESERVE_SECONDS."""
    pace_at: float = 0.0
    """When the sustained rate will have caught up with the grants so far."""
    not_before: float = 0.0
    window: float = START_WINDOW
    unanswered: int = 0
    """Requests that were granted and not answered yet."""
    unanswered_tokens: float = 0.0
    """Their tokens, approximately: a report does not say which request was answered."""
    min_remaining: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """The smallest remainder that the upstream can have had, by its reports since `min_remaining_since`."""
    min_remaining_since: list[float] = field(default_factory=lambda: [0.0, 0.0])
    last_answer_at: float = 0.0
    window_cut_at: float = 0.0
    rejections_in_row: int = 0
    """429 responses in a row."""
    successes_in_row: int = 0
    """Successful responses since the last 429."""
    look_at: float = 0.0
    """When one request may try whether the upstream answers before `not_before`; 0 if none may."""
    closed_at: float = 0.0
    """When the upstream asked for that long wait."""
    unlimited: bool = False
    has_rejected: bool = False
    """The upstream has sent a 429 before."""

    def follow_clock_back(self, now: float) -> None:
        """If the clock was set back, move all moments back with it; else no request would go until it caught up."""
        back = self.last_answer_at - now
        if back > CLOCK_STEP_SECONDS:
            self.full_at = [moment - back for moment in self.full_at]
            self.pace_at -= back
            self.not_before -= back
            self.look_at -= back
            self.closed_at -= back
            self.window_cut_at -= back
            self.min_remaining_since = [0.0, 0.0]
            self.last_answer_at = now

    def may_look(self, now: float) -> bool:
        """Return whether one request may try an upstream that asked for a long wait."""
        return 0.0 < self.look_at <= now < self.not_before

    def reopen(self, now: float) -> None:
        """End the wait that the upstream asked for: it answers again, or an operator resumed the credential."""
        self.look_at, self.rejections_in_row = 0.0, 0
        self.not_before, self.pace_at = min(self.not_before, now), min(self.pace_at, now)
        self.full_at = [min(moment, now) for moment in self.full_at]
