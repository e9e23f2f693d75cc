"""Objects that are made, read, changed, listed and deleted in one way. A resource declares how its kind differs."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Object
from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import Handler, ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.calls import object_not_found as not_found
from tidegate.simulator.resources.organization import Collection, Record

_NO_FIELDS = Object()


def _as_it_is(_: ResourceCall, record: Record) -> Json:
    return record.body


def _with_its_fields(call: ResourceCall, fields: Json, object_id: str) -> Json:
    return {"id": object_id, "created_at": int(call.now), **fields}


class StoredKind(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of objects is made and shown."""

    label: str
    """The SDK's name for the resource, such as `vector_stores`."""
    path: str
    parameter: str
    """The part of the path that is an object's id."""
    name: str
    """The name in refusals, such as `Vector store`."""
    prefix: str
    make: Callable[[ResourceCall, Json, str], Json] = _with_its_fields
    """Returns a new object's body of the call, its fields and the id. Raises Refusal."""
    view: Callable[[ResourceCall, Record], Json] = _as_it_is
    """Returns what is shown; it may let the object's job go on first."""
    change: Callable[[ResourceCall, Record, Json], None] | None = None
    """Applies an update's fields; by default the fields that the object has are replaced."""
    shape: Object = _NO_FIELDS
    """What a creation accepts."""
    update_shape: Object = _NO_FIELDS
    deleted: str = ""
    """The `object` of the answer to a deletion; by default the object's own with `.deleted` after it."""
    parent: "StoredKind | None" = None
    """The kind that its objects belong to."""
    pages: paging.PageBounds = paging.USUAL_PAGES

    def objects(self, call: ResourceCall) -> Collection:
        """Return all objects that the path reaches. Raises Refusal for an unknown parent."""
        if self.parent is None:
            return call.organization.collection(self.label)
        return call.organization.collection(self.label, self.parent.find(call).id)

    def find(self, call: ResourceCall, object_id: str | None = None) -> Record:
        """Return the object that the path, or `object_id`, names. Raises Refusal, 404."""
        wanted = call.parameters[self.parameter] if object_id is None else object_id
        record = self.objects(call).find(wanted)
        if record is None:
            raise not_found(self.name, wanted)
        return record

    def create(self, call: ResourceCall) -> ResourceAnswer:
        """Make an object."""
        objects = self.objects(call)
        fields = call.fields()
        self.shape.check("", fields)
        record = self.record(call, self.make(call, fields, call.make_id(self.prefix)))
        objects.add(record)
        return answer(self.view(call, record))

    def record(self, call: ResourceCall, body: Json) -> Record:
        """Return a new record, whose job begins now."""
        return Record(id=str(body["id"]), body=body, begun=call.now, seconds=call.job_seconds)

    def retrieve(self, call: ResourceCall) -> ResourceAnswer:
        """Show an object."""
        return answer(self.view(call, self.find(call)))

    def update(self, call: ResourceCall) -> ResourceAnswer:
        """Change an object."""
        record, fields = self.find(call), call.fields()
        self.update_shape.check("", fields)
        if self.change is not None:
            self.change(call, record, fields)
        else:
            record.body.update({name: value for name, value in fields.items() if name in record.body})
        return answer(self.view(call, record))

    def listed(self, call: ResourceCall) -> ResourceAnswer:
        """Show a page of the objects."""
        body = paging.page(
            self.objects(call), call.query, view=lambda record: self.view(call, record), bounds=self.pages
        )  # fmt: skip
        return answer(body)

    def delete(self, call: ResourceCall) -> ResourceAnswer:
        """Delete an object with all that belongs to it."""
        record = self.find(call)
        self.objects(call).remove(record.id)
        call.organization.drop(record.id)
        name = self.deleted or f"{record.body.get('object', self.label)}.deleted"
        return answer({"id": record.id, "object": name, "deleted": True})

    def routes(self, *acts: str, **others: Handler) -> Iterator[ResourceRoute]:
        """Yield the routes of some of create, retrieve, update, list and delete; `others` take the place of some."""
        one = f"{self.path}/{{{self.parameter}}}"
        where: Mapping[str, tuple[str, str, Handler]] = {
            "create": ("POST", self.path, self.create),
            "list": ("GET", self.path, self.listed),
            "retrieve": ("GET", one, self.retrieve),
            "update": ("POST", one, self.update),
            "delete": ("DELETE", one, self.delete),
        }
        for act in (*acts, *(name for name in others if name not in acts)):
            method, path, handler = where[act]
            handler = others.get(act, handler)
            yield ResourceRoute(label=f"{self.label}.{act}", method=method, path=path, handler=handler)


def wrong_state(message: str) -> Refusal:
    """Return the refusal of an act that the object's status does not allow."""
    return Refusal(409, message, code="invalid_state")
