"""The versions of one secret in Amazon Secrets Manager, and the labels that say which of them is current.

Source: docs.aws.amazon.com/secretsmanager/latest/apireference (`PutSecretValue`, `UpdateSecretVersionStage`).
"""

import msgspec

from tidegate.secrets.sources.aws import CURRENT, AwsSource, StoredVersion

PENDING = "AWSPENDING"


class _ChangedSecret(msgspec.Struct, rename="pascal"):
    name: str = ""


class _DescribedSecret(msgspec.Struct, rename="pascal"):
    version_ids_to_stages: dict[str, list[str]] = {}


class AwsVersions:
    """The versions of one secret. Each method raises SecretError."""

    def __init__(self, source: AwsSource, name: str) -> None:
        """`source` calls the service."""
        self._source = source
        self._name = name

    def __repr__(self) -> str:
        return f"<AwsVersions of {self._name}>"

    def current(self) -> StoredVersion:
        """Return the version that is in use."""
        return self._source.read_version(self._name, CURRENT)

    def by_stage(self) -> dict[str, str]:
        """Return the id of the version that has each label."""
        described = self._source.call("DescribeSecret", self._name, {"SecretId": self._name}, _DescribedSecret)
        return {stage: version for version, stages in described.version_ids_to_stages.items() for stage in stages}

    def put_pending(self, version: str, content: str) -> None:
        """Store a new version, which nothing reads before it is current; `version` is its id, made by the caller."""
        fields = {
            "SecretId": self._name,
            "ClientRequestToken": version,
            "SecretString": content,
            "VersionStages": [PENDING],
        }
        self._source.call("PutSecretValue", self._name, fields, _ChangedSecret)

    def make_current(self, version: str, *, instead_of: str) -> None:
        """Move AWSCURRENT to a version. The service refuses where another version is current than `instead_of`."""
        self._move(CURRENT, {"MoveToVersionId": version, "RemoveFromVersionId": instead_of})

    def drop_pending(self, version: str) -> None:
        """Take AWSPENDING away from a version."""
        self._move(PENDING, {"RemoveFromVersionId": version})

    def _move(self, stage: str, versions: dict[str, str]) -> None:
        fields = {"SecretId": self._name, "VersionStage": stage, **versions}
        self._source.call("UpdateSecretVersionStage", self._name, fields, _ChangedSecret)
