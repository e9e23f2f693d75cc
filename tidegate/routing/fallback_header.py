"""Which steps of the ladder a caller allows: `x-tidegate-fallback`."""

from tidegate.core.errors import InvalidParameter
from tidegate.routing.plan import NO_STEPS, AllowedSteps

HEADER = "x-tidegate-fallback"
_NAMES = AllowedSteps.__struct_fields__


def allowed_steps(header: str | None) -> AllowedSteps | None:
    """What the header says: `off`, or the names of the steps that may be taken; None where it says nothing.

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
