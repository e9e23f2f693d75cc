"""`/admin/v1/users`: erase the stored data of end users. Registered by routes.py; the command is `tidegate users`."""

from pydantic import Field

from tidegate.auth.project_store import ProjectStore
from tidegate.pipeline.erasure import EndUserErasure
from tidegate.web.admin.projects import project_not_found
from tidegate.web.admin.schemas import EndUser, ProjectName, Schema


class EraseEndUserRequest(Schema):
    """The end user to erase."""

    project: ProjectName
    end_user: EndUser
    dry_run: bool = Field(default=False, description="Only count what would be erased.")


class ErasureView(Schema):
    """What was stored of an end user, and was erased unless this was a dry run."""

    project: str
    end_user: str
    dry_run: bool
    conversations: int = Field(description="Conversations with this user; deleted unless others took part.")
    responses: int
    items: int
    completions: int
    ledger_lines: int = Field(description="Ledger entries, kept for accounting under an anonymous name.")
    cached_answers: int
    upstream_objects: int = Field(
        description="Files and other objects at an upstream; unusable at once, and deleted there soon."
    )
    semantic_questions: int = Field(description="What the semantic tier keeps of their questions; deleted.")


class EndUserHandlers:
    """Erases end users."""

    def __init__(self, *, projects: ProjectStore, erasure: EndUserErasure) -> None:
        self._projects = projects
        self._erasure = erasure

    async def erase(self, request: EraseEndUserRequest) -> ErasureView:
        """Erase everything stored of an end user; ledger entries are kept under an anonymous name."""
        if await self._projects.get(request.project) is None:
            raise project_not_found(request.project)
        action = self._erasure.count if request.dry_run else self._erasure.erase
        counts = await action(request.project, request.end_user)
        return ErasureView.model_validate({**request.model_dump(), **counts})
