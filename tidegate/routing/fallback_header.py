"""Which steps of the ladder a caller allows: `x-tidegate-fallback`."""

from tidegate.core.errors import InvalidParameter
from tidegate.routing.plan import NONE, Rungs

HEADER = "x-tidegate-fallback"
_NAMES = Rungs.__struct_fields__


def rungs_of(stated: str | None) -> Rungs | None:
    """What the header says: `off`, or the names of the steps that may be taken; None where it says nothing.

    Raises InvalidParameter.
    """
    if stated is None:
        return None
    names = {name.strip().lower() for name in stated.split(",")} - {""}
    if names == {"off"}:
        return NONE
    if names == {"on"}:
        return None
    unknown = names - set(_NAMES)
    if unknown or not names:
        raise InvalidParameter(f"`{HEADER}` is `off`, or a list of the steps allowed: {', '.join(_NAMES)}.")
    return Rungs(**{name: name in names for name in _NAMES})
