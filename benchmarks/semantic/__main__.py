"""Plays streams of published questions through the tier's decisions: `make semantic SEMANTIC='FOLDER --seeds 3'`.

A set is played with a prior that did not see it (`--priors`), or else with the shipped one, which may have.
"""

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.semantic.embedding import embeddings_of
from benchmarks.semantic.replay import Counts, Errors, Replay
from benchmarks.semantic.streams import QuestionSet, read_sets, stream
from tidegate.cache.semantic.account import Rules
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.prior import Prior, read_prior, shipped_prior
from tidegate.cache.semantic.question import shipped_reader


def main() -> None:
    """Play, print a line a set, and exit with 1 if a promise was not held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="CSV files with the columns `text` and `intent`")
    parser.add_argument("--priors", type=Path, help="a folder with a prior for each set: NAME.json")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--requests", type=int, help="the length of a stream; else that of the set")
    parser.add_argument("--delta", type=float, default=0.01)
    parser.add_argument("--verifier", type=float, default=0.03, help="the share of pairs on which it errs")
    parser.add_argument("--confused", type=float, default=0.0, help="the share of pairs of classes it always confuses")
    parser.add_argument("--judge", type=float, default=0.0, help="the share of verdicts that are wrong")
    parser.add_argument("--local", action="store_true", help="without a verifier")
    arguments = parser.parse_args()
    held = [_play(questions, arguments) for questions in read_sets(arguments.folder)]
    sys.exit(0 if held and all(held) else 1)


def _play(questions: QuestionSet, arguments: argparse.Namespace) -> bool:
    prior = _prior_for(questions.name, arguments.priors)
    embed, dimensions = embeddings_of(questions)
    rules = Rules(delta=arguments.delta, verifies=not arguments.local)
    errors = Errors(verifier=arguments.verifier, always_confused=arguments.confused, judge=arguments.judge)
    runs = []
    for seed in range(arguments.seeds):
        replay = Replay(
            prior=prior,
            reader=shipped_reader(),
            index=VectorBlock(dimensions),
            embed=embed,
            rules=rules,
            errors=errors,
            seed=seed,
        )
        runs.append(replay.run(stream(questions, seed, requests=arguments.requests)))
    over = sum(run.max_judged_share > arguments.delta for run in runs)
    sys.stdout.write(f"{questions.name:16} {_line(runs)}; runs over the bound: {over} of {len(runs)}\n")
    sys.stdout.flush()
    return not over


def _prior_for(name: str, folder: Path | None) -> Prior:
    return shipped_prior() if folder is None else read_prior((folder / f"{name}.json").read_bytes())


def _line(runs: list[Counts]) -> str:
    def mean(values: list[float]) -> str:
        return f"{100 * statistics.mean(values):.1f} %"

    return (
        f"hits {mean([run.hit_share for run in runs])}"
        f" (exact {mean([run.exact / run.requests for run in runs])},"
        f" direct {mean([run.direct / run.requests for run in runs])},"
        f" verified {mean([run.verified / run.requests for run in runs])},"
        f" asked again {mean([run.repeated / run.requests for run in runs])}),"
        f" wrong {100 * statistics.mean(run.wrong / run.requests for run in runs):.2f} % of requests"
        f" (at most {100 * max(run.max_wrong_share for run in runs):.2f} %),"
        f" {mean([run.wrong / max(1, run.semantic) for run in runs])} of semantic answers;"
        f" a request: {statistics.mean(run.verifications / run.requests for run in runs):.2f} verifications,"
        f" {statistics.mean(run.audits / run.requests for run in runs):.2f} audits,"
        f" {statistics.mean(run.comparisons / run.requests for run in runs):.2f} comparisons"
    )


if __name__ == "__main__":
    main()
