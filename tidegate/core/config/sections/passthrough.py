"""`[passthrough]`: OpenAI's operations besides inference, such as files, images and batches."""

from typing import Literal

from pydantic import Field

from tidegate.core.config.section import Section
from tidegate.core.config.sections.providers import OPENAI_PROVIDER, ProviderName


class PassthroughConfig(Section):
    """OpenAI's operations besides inference, such as files, images and batches."""

    provider: ProviderName = OPENAI_PROVIDER
    """The provider that has these operations."""
    operations: tuple[str, ...] = ("*",)
    """Patterns of the operations that callers may use, such as `files.*`; `docs/guides/passthrough.md` lists them."""
    unknown: Literal["refuse", "allow"] = "refuse"
    """Whether a path that this release does not know is refused, or goes to the provider as `unpriced`."""
    unrecorded: Literal["refuse", "allow"] = "refuse"
    """Whether callers may use files and other objects of no project, such as those made outside of the gateway.

    `tidegate objects assign` gives such an object to a project.
    """
    max_upload_bytes: int = Field(default=640 * 1024 * 1024, ge=1024)
    """Maximum size of a body that streams, such as a file's."""
    max_download_bytes: int = Field(default=4 * 1024 * 1024 * 1024, ge=1024)
    """Maximum size of an answer that streams."""
    transfer_seconds: float = Field(default=3600.0, gt=0)
    """How long a file may take to go up or down, as long as bytes arrive."""
