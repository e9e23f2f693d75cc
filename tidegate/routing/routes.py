"""Resolve a model's name: the configured route becomes the plan of one call. Used by the pipeline's preparation."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from tidegate.core.config import RouteConfig, TargetConfig
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.providers.target import Target
from tidegate.routing.plan import AllowedSteps, CannedReply, Plan

Draw = Callable[[Target], float]
"""A number for a target, from 0 up to, but not including, 1: at random, or always the same for one conversation."""

_WILD = "*?["


class Routes:
    """The configured routes."""

    def __init__(self, routes: Mapping[str, RouteConfig], *, stale_seconds: float) -> None:
        """`stale_for` is how long stale answers will do where a route says nothing, in seconds."""
        self._routes = routes
        self._patterns = sorted((name for name in routes if is_pattern(name)), key=lambda name: (-len(name), name))
        self._stale_seconds = stale_seconds
        self._plans = lru_cache(1024)(self._make)

    @property
    def names(self) -> tuple[str, ...]:
        """The routes' names that are no patterns."""
        return tuple(name for name in self._routes if not is_pattern(name))

    @property
    def pass_through_providers(self) -> tuple[str, ...]:
        """The providers that may get a call under the model name of its caller, the default one first."""
        targets = [
            target
            for name, route in self._routes.items()
            for target in route.targets
            if _keeps_model_name(name, target)
        ]
        return tuple(dict.fromkeys([OPENAI_PROVIDER, *(target.provider for target in targets)]))

    @property
    def max_stale_seconds(self) -> float:
        """The longest time for which any route gives answers that are no longer fresh, in seconds."""
        return max(self._stale_seconds, *(self._stale_seconds_of(route) for route in self._routes.values()), 0.0)

    def plan(self, model: str, *, draw_for: Callable[[], Draw]) -> Plan:
        """Return the plan for a model name: that of its route, else the same model at the default provider.

        `draw_for` makes the draw of this call. It is called only where the order is chosen by weight.
        """
        plan, weights = self._plans(model)
        if weights is None:
            return plan
        return msgspec.structs.replace(plan, targets=_weighted_order(plan.targets, weights, draw_for()))

    def may_reach(self, model: str, target_name: str) -> bool:
        """Return whether a call with this model name may be sent to the target of that name."""
        return any(target.name == target_name for target in self._plans(model)[0].targets)

    def _make(self, model: str) -> tuple[Plan, tuple[int, ...] | None]:
        """Return the plan with the targets as listed, and their weights where the order is drawn."""
        route = self._find(model)
        if route is None:
            return Plan(model=model, targets=(Target(OPENAI_PROVIDER, model),), stale_seconds=self._stale_seconds), None
        weights: dict[Target, int] = {}
        for each in route.targets:  # one that is listed twice is tried once
            target = Target(each.provider, each.model or model, tuple(each.credentials))
            weights.setdefault(target, 1 if each.weight is None else each.weight)
        plan = Plan(
            model=model,
            targets=tuple(weights),
            allowed_steps=AllowedSteps(**route.fallback_steps.model_dump()),
            stale_seconds=self._stale_seconds_of(route),
            canned=CannedReply(text=route.canned_reply) if route.canned_reply is not None else None,
            assumed_output_tokens=route.assumed_output_tokens,
        )
        return plan, tuple(weights.values()) if route.strategy == "weighted" else None

    def _stale_seconds_of(self, route: RouteConfig) -> float:
        if not route.fallback_steps.stale:
            return 0.0
        return self._stale_seconds if route.stale_for_seconds is None else route.stale_for_seconds

    def _find(self, model: str) -> RouteConfig | None:
        """Return the route of exactly this name, else that of the longest matching pattern."""
        if model in self._routes:
            return self._routes[model]
        fitting = (name for name in self._patterns if fnmatchcase(model, name))
        return self._routes.get(next(fitting, ""))


def _keeps_model_name(name: str, target: TargetConfig) -> bool:
    return target.model is None or target.model == name


def is_pattern(name: str) -> bool:
    """Return whether a route's name is a pattern."""
    return any(sign in name for sign in _WILD)


def _weighted_order(targets: Sequence[Target], weights: Sequence[int], draw: Draw) -> tuple[Target, ...]:
    """Return the targets in an order drawn by weight, without replacement; targets of weight 0 come last, as listed.

    Each one's key is u ** (1 / weight); the largest goes first (Efraimidis and Spirakis). Where u is a hash, this is
    rendezvous hashing with weights.
    """
    keyed = [
        (-(draw(target) ** (1 / weight)) if weight else 1.0, target)
        for target, weight in zip(targets, weights, strict=True)
    ]
    return tuple(target for _, target in sorted(keyed, key=lambda pair: pair[0]))
