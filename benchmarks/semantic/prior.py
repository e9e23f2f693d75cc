"""Makes the shipped prior from public questions: `python -m benchmarks.semantic.prior FOLDER --write FILE`.

Trees are grown by LightGBM, which is needed here only. Candidates come from streams in which every phrasing becomes an
alias of its true answer. The data are not in the package: banking77 (CC BY 4.0, PolyAI), clinc150 (CC BY 3.0), hwu64
(CC BY 4.0), and Bitext's customer support set (CDLA-Sharing 1.0).
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.semantic.embedding import embeddings_of
from benchmarks.semantic.streams import Phrasing, QuestionSet, read_sets, stream
from tidegate.cache.semantic.candidates import FEATURES, MAX_NEIGHBOURS, candidates_for
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.prior import Prior
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.question import shipped_reader
from tidegate.cache.semantic.scope import AliasSet, KnownText, PhrasingMemory, TextLearned, VerdictNoted

SOURCES = (
    "banking77, PolyAI, CC BY 4.0",
    "clinc150, CC BY 3.0",
    "hwu64, CC BY 4.0",
    "Bitext customer support, CDLA-Sharing 1.0",
)
_DIRECTIONS = {
    "cosine": 1,
    "margin": 1,
    "vote": 1,
    "jaccard": 1,
    "reliability": 1,
    "only_question": -1,
    "only_cached": -1,
    "number_differs": -1,
    "negation_differs": -1,
    "rank": -1,
    "coverage": 1,
    "coverage_margin": 1,
    "middle": 1,
    "middle_margin": 1,
}
"""In which direction a feature may move the score."""
_PARAMETERS = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
    "monotone_constraints": [_DIRECTIONS.get(name, 0) for name in FEATURES],
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "seed": 1,
}
_TREES = 100

Rows = tuple[list[tuple[float, ...]], list[int], list[float]]


def rows_of(requests: Iterable[Phrasing], embed: Callable[[str], Vector], dimensions: int) -> Rows:
    """Return the candidates' features, whether each was right, and its weight: later ones weigh less."""
    scope, reader = PhrasingMemory(VectorBlock(dimensions)), shipped_reader()
    features: list[tuple[float, ...]] = []
    labels: list[int] = []
    weights: list[float] = []
    for number, phrasing in enumerate(requests):
        question = reader.read(phrasing.text)
        if question.key in scope.texts:
            continue
        vector = embed(phrasing.text)
        near = scope.neighbours(vector, MAX_NEIGHBOURS)
        found = candidates_for(question, vector, near, scope)
        for each in found:
            features.append(each.features)
            labels.append(int(each.answer == phrasing.asks))
            weights.append(1.0 / (1.0 + number / 500) ** 0.5)
        if found:
            scope.apply(VerdictNoted(answer=found[0].answer, right=found[0].answer == phrasing.asks))
        scope.apply(TextLearned(key=question.key, known=KnownText(answer=phrasing.asks)))
        scope.apply(AliasSet(question=question, answer=phrasing.asks), vector)
    return features, labels, weights


def make_prior(sets: Sequence[QuestionSet], *, seeds: int) -> Prior:
    """Return the prior that these sets teach, each of them with the same weight."""
    import lightgbm  # noqa: PLC0415  # a tool of this script alone

    features: list[Any] = []
    labels: list[Any] = []
    weights: list[Any] = []
    for questions in sets:
        embed, dimensions = embeddings_of(questions)
        parts = [rows_of(stream(questions, 1000 + seed), embed, dimensions) for seed in range(seeds)]
        weight = np.array([each for _, _, part in parts for each in part])
        features += [each for part, _, _ in parts for each in part]
        labels += [each for _, part, _ in parts for each in part]
        weights += list(weight / weight.sum() * 10_000)
    data = lightgbm.Dataset(
        np.array(features), label=np.array(labels), weight=np.array(weights) * len(labels) / sum(weights)
    )
    booster = lightgbm.train(_PARAMETERS, data, num_boost_round=_TREES)
    return prior_of(booster.dump_model())


def prior_of(model: dict[str, Any]) -> Prior:
    """Return LightGBM's description of its trees as a prior."""
    nodes: list[tuple[int, float, int, int, float]] = []

    def add(node: dict[str, Any]) -> int:
        number = len(nodes)
        nodes.append((-1, 0.0, 0, 0, float(node.get("leaf_value", 0.0))))
        if "split_feature" in node:
            left, right = add(node["left_child"]), add(node["right_child"])
            nodes[number] = (int(node["split_feature"]), round(float(node["threshold"]), 5), left, right, 0.0)
        else:
            nodes[number] = (-1, 0.0, 0, 0, round(float(node["leaf_value"]), 5))
        return number

    roots = tuple(add(tree["tree_structure"]) for tree in model["tree_info"])
    feature, threshold, left, right, value = zip(*nodes, strict=True)
    return Prior(
        features=FEATURES,
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        value=value,
        roots=roots,
        sources=SOURCES,
    )


def main() -> None:
    """Make the prior and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", default="", help="the name of a set that is left out")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", type=Path, required=True)
    arguments = parser.parse_args()
    sets = [each for each in read_sets(arguments.folder) if each.name != arguments.without]
    prior = make_prior(sets, seeds=arguments.seeds)
    arguments.write.write_bytes(msgspec.json.encode(prior))


if __name__ == "__main__":
    main()
