"""Drives the tier's own decisions in one process, with a simulated verifier and judge, and counts what was wrong."""

import random
from collections.abc import Callable, Iterable
from hashlib import blake2b

import msgspec

from benchmarks.semantic.streams import Phrasing
from tidegate.cache.semantic.account import AccountFigures, Rules, is_open, with_change
from tidegate.cache.semantic.calibration import Calibration, Weighed, weigh
from tidegate.cache.semantic.candidates import MAX_NEIGHBOURS, candidates_for
from tidegate.cache.semantic.decision import AskInFull, Serve, Verify, after_verdict, decide
from tidegate.cache.semantic.outcome import Lesson, after_asked, after_repeat, after_served, repeat_of
from tidegate.cache.semantic.prior import Prior
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.question import Question, QuestionReader
from tidegate.cache.semantic.scope import PhrasingMemory, VectorIndex


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """How often the simulated verifier and judge err."""

    verifier: float = 0.03
    """On a pair of question and answer, either way; the same pair always alike."""
    always_confused: float = 0.0
    """The share of pairs of classes that the verifier always takes for the same."""
    judge: float = 0.0


class Counts(msgspec.Struct, kw_only=True):
    """What happened in a replay."""

    requests: int = 0
    exact: int = 0
    direct: int = 0
    verified: int = 0
    repeated: int = 0
    """Aliases asked again."""
    wrong: int = 0
    """Truly wrong answers."""
    judged_wrong: int = 0
    semantic: int = 0
    verifications: int = 0
    audits: int = 0
    comparisons: int = 0
    max_wrong_share: float = 0.0
    """The largest share of truly wrong answers at any request from the 500th on."""
    max_judged_share: float = 0.0

    @property
    def hit_share(self) -> float:
        """The share of requests that were not asked in full."""
        return (self.exact + self.direct + self.verified + self.repeated) / self.requests


class Replay:
    """One scope and its account, driven by a stream."""

    def __init__(  # noqa: PLR0913  # what is injected: the parts, the rules, the errors and the coin
        self,
        *,
        prior: Prior,
        reader: QuestionReader,
        index: VectorIndex,
        embed: Callable[[str], Vector],
        rules: Rules,
        errors: Errors,
        seed: int,
    ) -> None:
        self._prior = prior
        self._reader = reader
        self._embed = embed
        self._rules = rules
        self._errors = errors
        self._seed = seed
        self._coin = random.Random(seed)  # a simulation
        self.scope = PhrasingMemory(index)
        self.figures = AccountFigures()
        self.calibration = Calibration(firmness=10.0 if rules.verifies else 50.0)
        self.counts = Counts()
        self._truth: dict[str, str] = {}
        """What each answer answers."""
        self._questions: dict[str, Question] = {}

    def run(self, requests: Iterable[Phrasing]) -> Counts:
        """Answer the requests one by one."""
        for phrasing in requests:
            self._answer(phrasing)
            counts, total = self.counts, self.counts.requests
            if total >= 500:
                counts.max_wrong_share = max(counts.max_wrong_share, counts.wrong / total)
                counts.max_judged_share = max(counts.max_judged_share, counts.judged_wrong / total)
        return self.counts

    def _answer(self, phrasing: Phrasing) -> None:
        self.counts.requests += 1
        self.figures = msgspec.structs.replace(self.figures, requests=self.figures.requests + 1)
        question = self._questions.get(phrasing.text) or self._questions.setdefault(
            phrasing.text, self._reader.read(phrasing.text)
        )
        if not self._repeat(question, phrasing):
            self._near_miss(question, phrasing)

    def _repeat(self, question: Question, phrasing: Phrasing) -> bool:
        known = self.scope.texts.get(question.key)
        if known is None:
            return False
        if not known.is_alias:
            self.counts.exact += 1
            self._note_served(known.answer, phrasing)
            self._learn(Lesson(), phrasing.text)
            return True
        opened = is_open(self.figures, self._rules)
        if not opened and known.risk > 0:
            return False
        self.counts.repeated += 1
        self.counts.semantic += 1
        wrong = self._note_served(known.answer, phrasing)
        lesson = Lesson()
        if opened:
            repeat = repeat_of(known, self.figures, self._rules)
            right = self._audit(repeat.audit_share, wrong=wrong)
            lesson = after_repeat(question.key, repeat, self.figures, right=right)
        self._learn(lesson, phrasing.text)
        return True

    def _near_miss(self, question: Question, phrasing: Phrasing) -> None:
        vector = self._embed(phrasing.text)
        near = self.scope.neighbours(vector, MAX_NEIGHBOURS)
        found = candidates_for(question, vector, near, self.scope)
        scores = [self._prior.score(each.features) for each in found]
        weighed = weigh(found, scores, self.calibration.fit)
        decision = decide(weighed, self.figures, self._rules)
        if isinstance(decision, Verify):
            self.counts.verifications += 1
            decision = after_verdict(decision, self._verifier_says(decision, phrasing), self.figures, self._rules)
        if isinstance(decision, Serve):
            self._serve(decision, question, phrasing)
        else:
            self._ask(decision, question, phrasing)

    def _serve(self, decision: Serve, question: Question, phrasing: Phrasing) -> None:
        if decision.verified:
            self.counts.verified += 1
        else:
            self.counts.direct += 1
        self.counts.semantic += 1
        chosen = decision.chosen.candidate
        wrong = self._note_served(chosen.answer, phrasing)
        right = self._audit(decision.audit_share, wrong=wrong)
        attracted = self.scope.texts.get(chosen.alias.question.key)
        self._learn(after_served(decision, question, self.figures, right=right, attracted=attracted), phrasing.text)

    def _ask(self, decision: AskInFull, question: Question, phrasing: Phrasing) -> None:
        answer = f"a{len(self._truth)}"
        self._truth[answer] = phrasing.asks
        compared = bool(decision.candidates) and self._coin.random() < decision.compare_share
        same = None
        if compared:
            self.counts.comparisons += 1
            same = next((each for each in decision.candidates if self._says_same(each, phrasing, "compare")), None)
        self._learn(after_asked(decision, question, answer, compared=compared, same=same), phrasing.text)

    def _note_served(self, answer: str, phrasing: Phrasing) -> bool:
        wrong = self._truth[answer] != phrasing.asks
        self.counts.wrong += wrong
        return wrong

    def _audit(self, share: float, *, wrong: bool) -> bool | None:
        """Return whether the judge, twice if need be, finds the answer right; None if it is not asked."""
        if self._coin.random() >= share:
            self.counts.judged_wrong += wrong
            return None
        self.counts.audits += 1
        bad = all(wrong != (self._coin.random() < self._errors.judge) for _ in range(2))
        self.counts.judged_wrong += bad
        return not bad

    def _verifier_says(self, asked: Verify, phrasing: Phrasing) -> Weighed | None:
        return next((each for each in asked.shown if self._says_same(each, phrasing, "verify")), None)

    def _says_same(self, each: Weighed, phrasing: Phrasing, purpose: str) -> bool:
        truth, answer = self._truth[each.candidate.answer], each.candidate.answer
        errs = _chance(purpose, phrasing.text, answer, self._seed) < self._errors.verifier
        if truth == phrasing.asks:
            return not errs
        return errs or _chance("pair", phrasing.asks, truth, 99) < self._errors.always_confused

    def _learn(self, lesson: Lesson, text: str) -> None:
        for change in lesson.scope:
            self.scope.apply(change, self._embed(text))
        self.figures = with_change(self.figures, lesson.account, self._rules)
        if lesson.label is not None:
            self.calibration.learn(lesson.label.weighed, right=lesson.label.right, weight=lesson.label.weight)


def _chance(*parts: object) -> float:
    """Return a number from 0 to 1 that is the same for the same parts."""
    digest = blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
