"""`[call_log]`: one line on standard output for each call."""

from typing import Literal

from pydantic import Field

from tidegate.core.config.section import Section

LineShape = Literal["auto", "plain", "emf", "cloud_run", "text"]


class CallLogConfig(Section):
    """The line of each call on standard output: who asked what, who answered, how long it took, what it cost."""

    level: Literal["all", "errors", "off"] = "all"
    """`errors` leaves out answered calls and clients that left; `off` writes no line."""
    shape: LineShape = "auto"
    """`emf` for CloudWatch, `cloud_run` for Cloud Logging, `plain` JSON, `text` for people; `auto` detects it."""
    sample_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    """The share of answered calls that get a line; all other calls always get one."""
    google_project: str | None = None
    """The Google Cloud project whose traces the lines of Cloud Run belong to. Unset: that of the environment."""
    namespace: str = Field(default="Tidegate", min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._\-/#:]+$")
    """CloudWatch's namespace of the metrics in `emf` lines."""
