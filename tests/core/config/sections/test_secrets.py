"""A service that bills each call is not asked more than once a second."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.secrets import SecretsConfig


def test_the_pause_between_two_reads_is_bounded() -> None:
    assert SecretsConfig().refresh_seconds == 300
    with pytest.raises(ValidationError, match="refresh_seconds"):
        SecretsConfig(refresh_seconds=0.5)
