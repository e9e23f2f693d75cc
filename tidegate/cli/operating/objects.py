"""`tidegate objects`: show what projects made at upstreams, and give an object that was made elsewhere to a project."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidegate.cli.context import CommandContext, command_error, print_json, print_table, run_with_context
from tidegate.cli.stores import Needs, exit_on_error
from tidegate.core import config
from tidegate.core.config.sections.providers import DEFAULT_CREDENTIAL, OPENAI_PROVIDER, ProviderConfig
from tidegate.ownership.id_shapes import kind_of_shape
from tidegate.ownership.object_register import RegisteredObject
from tidegate.ownership.owned_object import MAX_ID_LENGTH, OwnedPlace
from tidegate.web.admin.schemas import Schema
from tidegate.wire.operations.operation import ObjectKind

objects_app = typer.Typer(
    no_args_is_help=True, help="Show whose the files, batches and other objects at an upstream are, and assign them."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class UpstreamObjectView(Schema):
    """An object at an upstream, and its owner."""

    id: str
    kind: str
    project: str
    provider: str
    credential: str
    created_at: float
    end_user: str | None
    gone: bool

    @classmethod
    def of(cls, record: RegisteredObject) -> "UpstreamObjectView":
        """Return the view of a record."""
        return cls(
            id=record.id,
            kind=record.kind.value,
            project=record.project,
            provider=record.place.provider,
            credential=record.place.credential,
            created_at=record.created_at,
            end_user=record.end_user,
            gone=record.is_gone,
        )


@objects_app.command("list")
def list_objects(
    *,
    project: Annotated[str | None, typer.Option(help="Only objects of this project.")] = None,
    kind: Annotated[ObjectKind | None, typer.Option(help="Only objects of this kind.")] = None,
    after: Annotated[str | None, typer.Option(help="Begin after this object: the last one of the page before.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Objects to show, the newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the objects on record, newest first."""
    records = run_with_context(
        Needs.POSTGRES, lambda context: context.objects.list(project=project, kind=kind, after=after, limit=limit)
    )
    if as_json:
        print_json(UpstreamObjectView.of(record) for record in records)
    elif records:
        columns = {"id": True, "kind": False, "project": True, "account": False, "made (UTC)": False, "": False}
        print_table(columns, (_row(record) for record in records))
    else:
        typer.echo("No object is on record.")


@objects_app.command()
def assign(
    project: Annotated[str, typer.Argument(help="The project that is to own the object.")],
    object_id: Annotated[str, typer.Argument(help="The object's id at the upstream.")],
    *,
    kind: Annotated[ObjectKind | None, typer.Option(help="The object's kind, where its id does not tell it.")] = None,
    provider: Annotated[str, typer.Option(help="The provider that has the object.")] = OPENAI_PROVIDER,
    credential: Annotated[str | None, typer.Option(help="The credential of the account that has the object.")] = None,
) -> None:
    """Give an object that was made outside of the gateway to a project. Another project's object stays where it is."""
    known = kind or kind_of_shape(object_id)
    if known is None:
        raise command_error(f"{object_id!r} does not tell its kind, so nothing was assigned. Pass --kind.")
    if len(object_id) > MAX_ID_LENGTH or not object_id.isprintable():
        raise command_error(f"No object has such an id: at most {MAX_ID_LENGTH} printable characters.")
    place = OwnedPlace(provider, _credential(provider, credential))

    async def record(context: CommandContext) -> str | None:
        if await context.projects.get(project) is None:
            return None
        return await context.objects.assign(project, object_id, known, place)

    owner = run_with_context(Needs.POSTGRES, record)
    if owner is None:
        raise command_error(f"There is no project {project}. List the projects with `tidegate projects list`.")
    if owner != project:
        raise command_error(f"{object_id} belongs to the project {owner}, so it was not assigned.")
    typer.echo(f"{object_id} ({known.value}) belongs to the project {project}.")


def _credential(provider: str, credential: str | None) -> str:
    """Return the name of a configured credential: the wanted one, or the only one."""
    with exit_on_error():
        providers: dict[str, ProviderConfig] = config.load(with_secrets=False).all_providers
    if provider not in providers:
        raise command_error(f"There is no provider {provider}. There are {', '.join(providers)}.")
    names = [each.name for each in providers[provider].credentials] or [DEFAULT_CREDENTIAL]
    if credential is None and len(names) == 1:
        return names[0]
    if credential is None or credential not in names:
        raise command_error(
            f"Nothing was assigned: name the credential with --credential. {provider} has {', '.join(names)}."
        )
    return credential


def _row(record: RegisteredObject) -> tuple[str, ...]:
    made = datetime.fromtimestamp(record.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    account = f"{record.place.provider}/{record.place.credential}"
    return record.id, record.kind.value, record.project, account, made, "gone" if record.is_gone else ""
