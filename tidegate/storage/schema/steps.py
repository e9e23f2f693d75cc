"""Reads the steps of the schema from `tidegate/storage/migrations`. Used by `migrate.py` and `lost_records.py`.

A step is a file of SQL, named by its number and subject. The steps are applied in the order of their names. A file
beside each takes its step back; the product never does. A step whose first line is `-- transactional: false` is applied
statement by statement, because it builds an index without blocking writes; each such statement can be repeated.
"""

import hashlib
from importlib import resources

import msgspec

_ROLLBACK = ".rollback"
_NOT_TRANSACTIONAL = "-- transactional: false\n"


class SchemaStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the schema."""

    name: str
    sql: str

    @property
    def is_transactional(self) -> bool:
        """Whether the step and its record are one transaction."""
        return not self.sql.startswith(_NOT_TRANSACTIONAL)

    @property
    def statements(self) -> list[str]:
        """The statements of a step that is not transactional, in order."""
        return [text.strip() for text in self.sql.split(";\n") if text.strip()]

    @property
    def hash(self) -> str:
        """The key of the step's record, SHA-256 of its name in hexadecimal."""
        return hashlib.sha256(self.name.encode()).hexdigest()


def all_steps() -> list[SchemaStep]:
    """Return every step, in the order in which they are applied."""
    files = resources.files("tidegate.storage.migrations").iterdir()
    texts = {file.name.removesuffix(".sql"): file for file in files if file.name.endswith(".sql")}
    return [
        SchemaStep(name=name, sql=texts[name].read_text(encoding="utf-8"))
        for name in sorted(texts)
        if not name.endswith(_ROLLBACK)
    ]
