"""Where a call may be answered: the targets of its model in the order to try, and what is tried after them.

`tidegate.routing.routes` makes plans out of the configuration; the ladder walks down them.
"""

import msgspec

from tidegate.providers.target import Target


class Rungs(msgspec.Struct, frozen=True, kw_only=True):
    """Which steps may be taken after a failure; a step that is off is skipped."""

    credentials: bool = True
    """The same target with another credential."""
    targets: bool = True
    """The next target."""
    stale: bool = True
    """An answer from the cache that is no longer fresh."""
    canned: bool = True
    """The configured reply."""


ALL = Rungs()
NONE = Rungs(credentials=False, targets=False, stale=False, canned=False)
"""What `x-tidegate-fallback: off` leaves."""


class Canned(msgspec.Struct, frozen=True, kw_only=True):
    """What is said when nobody can answer."""

    text: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call may be answered."""

    model: str
    """The model as the caller named it."""
    targets: tuple[Target, ...]
    """At least one, in the order to try."""
    rungs: Rungs = ALL
    stale_for: float = 0.0
    """Seconds for which an answer may be given after it has ceased to be fresh."""
    canned: Canned | None = None

    def keeping(self, rungs: Rungs) -> "Plan":
        """The plan with those of its rungs that `rungs` allows, too."""
        mine = self.rungs
        allowed = Rungs(
            credentials=mine.credentials and rungs.credentials,
            targets=mine.targets and rungs.targets,
            stale=mine.stale and rungs.stale,
            canned=mine.canned and rungs.canned,
        )
        return msgspec.structs.replace(self, rungs=allowed)
