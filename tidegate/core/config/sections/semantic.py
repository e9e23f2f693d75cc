"""`[semantic]`: answers to questions that were asked before in other words."""

import math
from typing import Literal

from pydantic import Field, model_validator

from tidegate.core.config.section import Section

SemanticMode = Literal["off", "shadow", "on"]
_BY_CARE: tuple[SemanticMode, ...] = ("off", "shadow", "on")


class SemanticRouteConfig(Section):
    """What holds for the calls of one model."""

    mode: SemanticMode = "shadow"
    """Whether earlier answers are given: `off`, `shadow` (all is decided and measured, nothing is given) or `on`."""


class SemanticProjectConfig(SemanticRouteConfig):
    """What holds for one project."""

    delta: float | None = Field(default=None, gt=0, le=0.2)
    """The share of requests that may be answered wrongly; None for that of `[semantic]`."""


class SemanticConfig(Section):
    """Which questions may get the answer of an earlier one, and how many of these answers may be wrong."""

    mode: SemanticMode = "off"
    """For projects and routes that are not named: `off`, `shadow` or `on`."""
    delta: float = Field(default=0.01, gt=0, le=0.2)
    """The share of a project's requests that may be answered wrongly."""
    max_wrong_ratio: float = Field(default=0.05, gt=0, le=1)
    """The share of semantic answers that may be wrong before the questions of one prompt get none any more."""
    judge: str | None = Field(default=None, min_length=1, max_length=256)
    """The model that judges answers that were given, as callers name it. Needed by each mode but `off`."""
    verifier: str | None = Field(default=None, min_length=1, max_length=256)
    """The cheap model that says whether an earlier question has the same answer; None for the judge."""
    verify: Literal["inline", "background"] = "inline"
    """Whether a caller may wait for the verifier, or gets only answers that need none."""
    verify_seconds: float = Field(default=0.8, gt=0, le=10)
    """How long a caller waits for the verifier before the question is sent to the model."""
    embed_seconds: float = Field(default=0.02, gt=0, le=1)
    """How long a caller waits for the vector of the question; then only equal questions share an answer."""
    judge_seconds: float = Field(default=600.0, gt=0, le=3600)
    """After this time without a verdict, an answer counts as wrong."""
    budget_day_usd: float = Field(default=1.0, ge=0, le=1_000_000)
    """What calls of verifier and judge may cost in each project a day."""
    turns: Literal["first", "same"] = "first"
    """Which questions take part: those that begin a conversation, or also those after equal earlier turns."""
    max_characters: int = Field(default=1000, ge=10, le=8000)
    """Longer questions take no part."""
    max_temperature: float = Field(default=1.0, ge=0, le=2)
    """Calls with a higher temperature take no part."""
    time_words: list[str] = Field(default_factory=list, max_length=500)
    """More words whose questions take no part because their answers age, besides those such as `today`."""
    max_scopes: int = Field(default=200, ge=1, le=100_000)
    """Prompts whose questions a process keeps in memory; those that were not used for longest leave."""
    max_phrasings: int = Field(default=5000, ge=10, le=100_000)
    """Questions that are kept of one prompt."""
    projects: dict[str, SemanticProjectConfig] = Field(default_factory=dict)
    """By the project's name."""
    routes: dict[str, SemanticRouteConfig] = Field(default_factory=dict)
    """By the model's name, as callers use it. Where project and route differ, the more careful mode holds."""

    @model_validator(mode="after")
    def _check_judge(self) -> "SemanticConfig":
        if self.is_used and self.judge is None:
            raise ValueError("name a model in `judge`: without it no answer that was given is ever judged")
        return self

    @property
    def is_used(self) -> bool:
        """Whether any mode but `off` is set."""
        parts = (*self.projects.values(), *self.routes.values())
        return self.mode != "off" or any(part.mode != "off" for part in parts)

    @property
    def budget_day_nanos(self) -> int:
        """The budget of a day in nano-dollars."""
        return math.floor(self.budget_day_usd * 1e9)

    def mode_of(self, project: str, model: str) -> SemanticMode:
        """Return the mode for a project's calls of a model."""
        named = [part.mode for part in (self.projects.get(project), self.routes.get(model)) if part is not None]
        return min(named, key=_BY_CARE.index) if named else self.mode

    def delta_of(self, project: str) -> float:
        """Return the share of a project's requests that may be answered wrongly."""
        part = self.projects.get(project)
        return self.delta if part is None or part.delta is None else part.delta
