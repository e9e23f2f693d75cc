"""A call's plan: the targets of its model in the order to try, and what may be tried after them.

`tidegate.routing.routes` makes plans from the configuration; the fallback policy follows them.
"""

import msgspec

from tidegate.providers.target import Target


class AllowedSteps(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that may be taken after a failure; a step that is off is skipped."""

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
"""What `x-tidegate-fallback: off` allows."""


class CannedReply(msgspec.Struct, frozen=True, kw_only=True):
    """The configured reply for when no target can answer."""

    text: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The targets and fallback steps of one call."""

    model: str
    """The model as the caller named it."""
    targets: tuple[Target, ...]
    """At least one, in the order to try."""
    allowed_steps: AllowedSteps = ALL_STEPS
    stale_seconds: float = 0.0
    """Seconds for which a cached answer may be given after it is no longer fresh."""
    canned: CannedReply | None = None
    assumed_output_tokens: int | None = None
    """The route's own output limit for calls that state none and whose money is limited; None where it has none."""

    def restricted_to(self, steps: AllowedSteps) -> "Plan":
        """Return the plan with only those of its steps that `steps` allows, too."""
        own = self.allowed_steps
        allowed = AllowedSteps(
            credentials=own.credentials and steps.credentials,
            targets=own.targets and steps.targets,
            stale=own.stale and steps.stale,
            canned=own.canned and steps.canned,
        )
        return msgspec.structs.replace(self, allowed_steps=allowed)

    def restricted_to_account(self, provider: str, credential: str) -> "Plan | None":
        """Return the plan with one credential of one provider only; None where it has no such target."""
        targets = tuple(
            msgspec.structs.replace(target, credentials=(credential,))
            for target in self.targets
            if target.provider == provider and (not target.credentials or credential in target.credentials)
        )
        return msgspec.structs.replace(self, targets=targets) if targets else None
