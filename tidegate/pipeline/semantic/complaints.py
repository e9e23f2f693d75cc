"""What callers report: a semantic answer was wrong. That counts as a verdict, and takes the wording from the answer."""

from typing import Final

import structlog

from tidegate.cache.semantic.account import AccountChange, Rules
from tidegate.cache.semantic.scope import AliasRemoved, TextForgotten, VerdictNoted
from tidegate.cache.semantic.state.accounts import AccountKey, AccountStore, Act
from tidegate.cache.semantic.state.change_log import ChangeLog
from tidegate.cache.semantic.state.changes import encode_change
from tidegate.cache.semantic.state.memories import ScopeMemories
from tidegate.core.config import SemanticConfig

_WRONG: Final = AccountChange(audited_wrong=1.0, wrong=1.0, spent=1.0)
_log = structlog.get_logger("semantic")


class Complaints:
    """Take reports of wrong answers."""

    def __init__(self, config: SemanticConfig, accounts: AccountStore, log: ChangeLog, memories: ScopeMemories) -> None:
        self._memories = memories
        self._config = config
        self._accounts = accounts
        self._log = log

    async def take(self, project: str, answer: str, request_id: str | None) -> str | None:
        """Note that an answer was wrong; return the call that got it, None if there is none that was not reported.

        Without a `request_id` it is the newest one. Raises PostgresUnavailable and RedisUnavailable.
        """
        found = await self._log.report(project, answer, request_id)
        if found is None:
            return None
        _log.info(
            "a semantic answer was reported as wrong", project=project, answer=answer, request_id=found.request_id
        )
        if found.verdict is not False:  # else the account has it already
            await self._charge(AccountKey(mode="on", project=project, scope=found.scope), found.request_id)
        changes = (
            TextForgotten(key=found.question),
            AliasRemoved(key=found.question),
            VerdictNoted(answer=answer, right=False),
        )
        numbered = await self._log.append(
            project=project,
            scope=found.scope,
            changes=[encode_change(each) for each in changes],
            end_user=None,
            decision=None,
        )
        await self._memories.apply(numbered)
        await self._log.spread(numbered)
        return found.request_id

    async def _charge(self, key: AccountKey, request_id: str) -> None:
        """Count the answer as wrong: by its verdict if that is pending, else beside what was counted of it."""
        rules = Rules(delta=self._config.delta_of(key.project), verifies=self._config.verify == "inline")
        for act in (Act.JUDGE, Act.NOTE):
            if await self._accounts.settle(key, rules, act, request_id, _WRONG, tally_wrong=1.0):
                return
