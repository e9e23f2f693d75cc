"""What a call may cost at most, and the output limit that is sent where its caller states none. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from tidegate.core import endpoints
from tidegate.core.config import BudgetsConfig
from tidegate.core.values import Limits
from tidegate.limits.rejections import format_usd
from tidegate.metering.assumed_output import OutputAssumption, assumed_output
from tidegate.metering.fees import needs_tool_call_limit
from tidegate.metering.max_cost import MaxCost, max_cost
from tidegate.metering.prices import Prices
from tidegate.routing.plan import Plan
from tidegate.routing.routes import Routes
from tidegate.wire.call import Call, parse

_SHORTEST_CALL = b'{"model":"any","messages":[{"role":"user","content":"Hello"}]}'
_NAMED_MODELS = 5
"""Models that a warning names; of the others it says how many they are."""


class CallCosts:
    """Computes the most that calls may cost."""

    def __init__(self, prices: Prices, budgets: BudgetsConfig) -> None:
        self._prices = prices
        self._budgets = budgets

    def within_budget(self, call: Call, plan: Plan, *, budget_nanos: int, at: float) -> Call:
        """Return the call with the limits that it does not state and without which a budget could hardly pay it."""
        call = self.with_assumed_output(call, plan, budget_nanos=budget_nanos, at=at)
        return self.with_tool_call_limit(call)

    def with_assumed_output(self, call: Call, plan: Plan, *, budget_nanos: int, at: float) -> Call:
        """Return the call with an output limit, if it states none and would hold too much of its smallest budget."""
        tokens = plan.assumed_output_tokens or self._budgets.assumed_output_tokens
        limit = assumed_output(
            call,
            self._prices,
            at=at,
            targets_by_model=_targets_by_model(plan),
            budget_nanos=budget_nanos,
            assumption=OutputAssumption(tokens=tokens, share=self._budgets.assumed_output_share),
        )
        return call if limit is None else call.with_assumed_output(limit)

    def with_tool_call_limit(self, call: Call) -> Call:
        """Return the call with a limit of tool calls, if it offers tools that cost by the call and states no limit."""
        return call.with_tool_call_limit(self._prices.assumed_tool_calls) if needs_tool_call_limit(call) else call

    def max_cost(self, call: Call, plan: Plan, *, at: float, exact: bool) -> MaxCost:
        """Return the highest tokens and cost, whichever target answers."""
        tokens = nanos = 0
        unpriced: tuple[str, ...] = ()
        for model, targets in _targets_by_model(plan).items():
            call_to_model = call if model == call.model else msgspec.structs.replace(call, model=model)
            maximum = max_cost(call_to_model, self._prices, at=at, exact=exact, targets=targets)
            tokens, nanos = max(tokens, maximum.tokens), max(nanos, maximum.nanos)
            unpriced += maximum.unpriced
        return MaxCost(tokens=tokens, nanos=nanos, unpriced=unpriced)


class BudgetCheck:
    """Finds the models that a budget cannot pay even once. For those who set budgets."""

    def __init__(self, costs: CallCosts, routes: Routes, *, models: Sequence[str]) -> None:
        """`models` are checked where a key may use all models."""
        self._costs = costs
        self._routes = routes
        self._models = models

    def warnings(self, limits: Limits, *, models: Iterable[str] = (), at: float) -> list[str]:
        """Return a sentence for each budget of `limits` that cannot pay one short question to each of `models`."""
        return [
            warning
            for period, budget in limits.budgets.items()
            if budget is not None and (warning := self._warning(period, budget, tuple(models) or self._models, at))
        ]

    def _warning(self, period: str, budget: int, models: Sequence[str], at: float) -> str:
        costs = {model: self._shortest_call(model, budget, at) for model in models}
        too_much = [f"{model} ({format_usd(nanos)})" for model, nanos in costs.items() if nanos > budget]
        if not too_much:
            return ""
        rest = len(too_much) - _NAMED_MODELS
        named = ", ".join(too_much[:_NAMED_MODELS]) + (f", and {rest} more" if rest > 0 else "")
        return f"The budget of {format_usd(budget)} per {period} cannot pay one short question to {named}."

    def _shortest_call(self, model: str, budget: int, at: float) -> int:
        """Return the most that one short question without an output limit may cost, in nano-dollars."""
        plan = self._routes.plan(model, draw_for=lambda: lambda _: 0.5)
        call = self._costs.with_assumed_output(
            parse(endpoints.CHAT, _SHORTEST_CALL).with_model(model), plan, budget_nanos=budget, at=at
        )
        return self._costs.max_cost(call, plan, at=at, exact=True).nanos


@lru_cache(maxsize=1024)
def _targets_by_model(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the targets that may answer, by their model."""
    targets_by_model: dict[str, tuple[str, ...]] = {}
    for target in plan.targets if plan.allowed_steps.targets else plan.targets[:1]:
        targets_by_model[target.model] = (*targets_by_model.get(target.model, ()), target.name)
    return targets_by_model
