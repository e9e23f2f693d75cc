"""`[realtime]`: sessions of `/v1/realtime`."""

from pydantic import Field

from tidegate.core.config.section import Section


class RealtimeConfig(Section):
    """Sessions of `/v1/realtime`."""

    max_sessions: int = Field(default=200, ge=1)
    """Maximum of sessions of one process."""
    max_sessions_per_key: int = Field(default=50, ge=1)
    """Maximum of sessions that one key may have at one process."""
    max_session_seconds: float = Field(default=3600.0, gt=0)
    """Maximum length of a session; OpenAI's is 60 minutes."""
    idle_seconds: float = Field(default=900.0, gt=0)
    """Time without an event of either side after which a session is closed."""
    max_event_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Maximum size of an event, in both directions; OpenAI takes 15 MB of audio in one."""
    max_waiting_events: int = Field(default=8, ge=1)
    """Events of the upstream that wait for a slow client; then no more are read."""
    assumed_output_tokens: int = Field(default=4096, ge=16)
    """Output for which a response without a limit is held in a budget."""
