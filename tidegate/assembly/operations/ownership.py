"""The objects of `tidegate.ownership`."""

import msgspec

from tidegate.assembly.base import Base
from tidegate.ownership.object_pages import ObjectPages
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owners import ObjectOwners
from tidegate.ownership.retention import ObjectRetention


class OwnershipParts(msgspec.Struct, frozen=True, kw_only=True):
    """What knows the owners of objects at an upstream."""

    owners: ObjectOwners
    pages: ObjectPages


async def make_ownership(base: Base) -> OwnershipParts:
    """Return the parts; the retention of records is started."""
    await base.start(ObjectRetention(base.postgres, base.clock))
    store, unrecorded = ObjectStore(base.postgres, base.clock), base.settings.passthrough.unrecorded
    return OwnershipParts(
        owners=ObjectOwners(store, base.clock, unrecorded=unrecorded),
        pages=ObjectPages(store, base.clock, unrecorded=unrecorded),
    )
