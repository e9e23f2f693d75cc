"""The gateway listens where it can, and for as long as makes sense."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.section import Section
from tidegate.core.config.server import ServerConfig


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (ServerConfig, "port", 70_000),
        (ServerConfig, "workers", 0),
        (ServerConfig, "grace_seconds", 0),
        (ServerConfig, "ping_seconds", 0),
        (ServerConfig, "max_body_bytes", 1),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused(section: type[Section], key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        section.model_validate({key: value})
