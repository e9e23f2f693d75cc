"""Where a call may be answered: the targets of its model in the order to try, and what is tried after them.

`tidegate.routing.routes` makes plans out of the configuration; the ladder walks down them.
"""

import msgspec

from tidegate.providers.target import Target


class AllowedSteps(msgspec.Struct, frozen=True, kw_only=True):
    """Which steps may be taken after a failure; a step that is off is skipped."""

    credentials: bool = True
    """The same target with another credential."""
    targets: bool = True
    """The next target."""
    stale: bool = True
    """An answer from the cache that is no longer fresh."""
    canned: bool = True
    """The configured reply."""


ALL_STEPS = AllowedSteps()
NO_STEPS = AllowedSteps(credentials=False, targets=False, stale=False, canned=False)
"""What `x-tidegate-fallback: off` leaves."""


class CannedReply(msgspec.Struct, frozen=True, kw_only=True):
    """What is said when nobody can answer."""

    text: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call may be answered."""

    model: str
    """The model as the caller named it."""
    targets: tuple[Target, ...]
    """At least one, in the order to try."""
    allowed_steps: AllowedSteps = ALL_STEPS
    stale_seconds: float = 0.0
    """Seconds for which an answer may be given after it has ceased to be fresh."""
    canned: CannedReply | None = None

    def restricted_to(self, steps: AllowedSteps) -> "Plan":
        """The plan with those of its rungs that `fallback_steps` allows, too."""
        mine = self.allowed_steps
        allowed = AllowedSteps(
            credentials=mine.credentials and steps.credentials,
            targets=mine.targets and steps.targets,
            stale=mine.stale and steps.stale,
            canned=mine.canned and steps.canned,
        )
        return msgspec.structs.replace(self, allowed_steps=allowed)
