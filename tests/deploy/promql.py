"""What a PromQL query needs: its metrics, and the labels of each. Parsed by a library of its own."""

import re
from collections.abc import Iterator

import promql_parser as promql

_GRAFANA_INTERVAL = re.compile(r"\$__\w+")


def uses(query: str) -> dict[str, set[str]]:
    """Return each metric of a query with the labels that the query selects or groups it by.

    Raises ValueError for a query that cannot be parsed.
    """
    found: dict[str, set[str]] = {}
    for metric, labels in _uses(promql.parse(_GRAFANA_INTERVAL.sub("5m", query)), frozenset()):
        found.setdefault(metric, set()).update(labels)
    return found


def _uses(expression: promql.Expr, grouped: frozenset[str]) -> Iterator[tuple[str, set[str]]]:
    match expression:
        case promql.VectorSelector():
            matched = {matcher.name for matcher in expression.matchers.matchers}
            yield str(expression.name), matched | grouped
        case promql.MatrixSelector():
            yield from _uses(expression.vector_selector, grouped)
        case promql.AggregateExpr():
            labels = expression.modifier.labels if expression.modifier is not None else []
            yield from _uses(expression.expr, grouped | frozenset(labels))
        case promql.Call():
            for argument in expression.args:
                yield from _uses(argument, grouped)
        case promql.BinaryExpr():
            yield from _uses(expression.lhs, grouped)
            yield from _uses(expression.rhs, grouped)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _uses(expression.expr, grouped)
