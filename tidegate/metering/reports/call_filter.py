"""Which calls of the ledger a report or a list is about."""

from collections.abc import Sequence

import msgspec

from tidegate.core.errors import ApiKeyNotFound, ProjectNotFound
from tidegate.core.tags import Tag
from tidegate.storage.postgres import Connection, queries


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Calls for which all that is given is true; with nothing given, all calls."""

    project: str | None = None
    key_id: str | None = None
    end_user: str | None = None
    model: str | None = None
    """As callers name it."""
    tags: Sequence[Tag] = ()

    @property
    def sql_values(self) -> tuple[str | None, ...]:
        """Return project, key, end user, model and the tags as a JSON object, in the order of the queries."""
        tags = msgspec.json.encode({tag.name: tag.value for tag in self.tags}).decode() if self.tags else None
        return self.project, self.key_id, self.end_user, self.model, tags

    async def check_known(self, connection: Connection) -> None:
        """Check that project and key exist, or have calls: nothing found must not mean a name that was mistyped.

        Raises ProjectNotFound and ApiKeyNotFound.
        """
        if self.project is None and self.key_id is None:
            return
        known = await connection.fetchrow(queries("calls")["known"], self.project, self.key_id)
        if known is not None and not known["project"]:
            raise ProjectNotFound(
                f"No project has the name {self.project!r}, and none had calls. `tidegate projects list` lists them."
            )
        if known is not None and not known["key"]:
            raise ApiKeyNotFound(f"No key has the id {self.key_id!r}. `tidegate keys list` lists the keys.")


ALL_CALLS = CallFilter()
