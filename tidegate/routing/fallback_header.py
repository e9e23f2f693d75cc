"""Parse `x-tidegate-fallback`, by which a caller restricts the fallback steps. Used by the pipeline's preparation."""

from tidegate.core.errors import InvalidParameter
from tidegate.routing.plan import NO_STEPS, AllowedSteps

HEADER = "x-tidegate-fallback"
_NAMES = AllowedSteps.__struct_fields__


def allowed_steps(header: str | None) -> AllowedSteps | None:
    """Return the allowed steps of a header: `off` or a list of names; None where it restricts nothing.

    Raises InvalidParameter.
    """
    if header is None:
        return None
    names = {name.strip().lower() for name in header.split(",")} - {""}
    if names == {"off"}:
        return NO_STEPS
    if names == {"on"}:
        return None
    unknown = names - set(_NAMES)
    if unknown or not names:
        raise InvalidParameter(f"`{HEADER}` is `off`, or a list of the steps allowed: {', '.join(_NAMES)}.")
    return AllowedSteps(**{name: name in names for name in _NAMES})
