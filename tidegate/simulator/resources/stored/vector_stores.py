"""Vector stores: `/v1/vector_stores`, and the search in them."""

import heapq
from operator import itemgetter

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks.shapes import Array, Either, Flag, Number, Object, Text
from tidegate.simulator.checks.shared_parameters import COMMON
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.objects import StoredKind
from tidegate.simulator.resources.organization import Record
from tidegate.simulator.resources.stored.attached_files import (
    STRATEGY,
    attach,
    counts,
    files_of,
    settled,
)
from tidegate.simulator.resources.stored.chunks import matches, scores
from tidegate.simulator.resources.stored.files import find_file

_DAY = 86_400
_NEW = Object(
    fields={
        "name": Text(),
        "description": Text(),
        "file_ids": Array(items=Text(), most=500),
        "expires_after": Object(
            fields={"days": Number(minimum=1, maximum=365, whole=True)}, required=("anchor", "days")
        ),
        "chunking_strategy": STRATEGY,
        "metadata": COMMON["metadata"],
    },
    others=False,
)
_SEARCH = Object(
    fields={
        "query": Either((Text(), Array(items=Text(), least=1)), "one of a string or an array of strings"),
        "max_num_results": Number(minimum=1, maximum=50, whole=True),
        "rewrite_query": Flag(),
        "filters": Object(),
        "ranking_options": Object(fields={"score_threshold": Number(minimum=0, maximum=1)}),
    },
    required=("query",),
    others=False,
)
_USUAL_RESULTS = 10


def _make(call: ResourceCall, fields: Json, store_id: str) -> Json:
    files = [find_file(call.organization, one, now=call.now, param="file_ids") for one in fields.get("file_ids") or ()]
    for file in files:
        attach(call, store_id, file, fields)
    life = fields.get("expires_after")
    return {
        "id": store_id, "object": "vector_store", "created_at": int(call.now), "name": fields.get("name") or "",
        "description": fields.get("description"), "usage_bytes": 0, "status": "in_progress", "expires_after": life,
        "expires_at": int(call.now) + life["days"] * _DAY if life else None, "last_active_at": int(call.now),
        "metadata": fields.get("metadata") or {}, "file_counts": counts([]),
    }  # fmt: skip


def _view(call: ResourceCall, record: Record) -> Json:
    files = [settled(call, file) for file in files_of(call.organization, record.id)]
    record.body.update(file_counts=counts(files), usage_bytes=sum(file.body["usage_bytes"] for file in files))
    if record.body["expires_at"] is not None and record.body["expires_at"] <= call.now:
        record.body["status"] = "expired"
    else:
        record.body["status"] = "in_progress" if record.body["file_counts"]["in_progress"] else "completed"
    return record.body


VECTOR_STORES = StoredKind(
    label="vector_stores", path="/vector_stores", parameter="vector_store_id", name="Vector store", prefix="vs_",
    make=_make, view=_view, shape=_NEW, update_shape=_NEW,
)  # fmt: skip


def _search(call: ResourceCall) -> ResourceAnswer:
    store, fields = VECTOR_STORES.find(call), call.json()
    _SEARCH.check("", fields)
    if _view(call, store)["status"] == "expired":
        raise invalid(f"Vector store {store.id} is expired.", code="expired_vector_store")
    query = fields["query"]
    queries = [query] if isinstance(query, str) else query
    least = (fields.get("ranking_options") or {}).get("score_threshold") or 0.0
    found = [hit for hit in _hits(call, store, " ".join(queries), fields.get("filters")) if hit["score"] >= least]
    results = heapq.nlargest(fields.get("max_num_results") or _USUAL_RESULTS, found, key=itemgetter("score"))
    store.body["last_active_at"] = int(call.now)
    return answer({
        "object": "vector_store.search_results.page", "search_query": queries, "data": results, "has_more": False,
        "next_page": None,
    })  # fmt: skip


def _hits(call: ResourceCall, store: Record, query: str, wanted: Json | None) -> list[Json]:
    hits = []
    for file in files_of(call.organization, store.id):
        if settled(call, file).body["status"] != "completed":
            continue
        if wanted is not None and not matches(file.body["attributes"] or {}, wanted):
            continue
        for chunk, score in zip(file.work.chunks, scores(query, file.work.chunks), strict=True):
            hits.append({
                "file_id": file.id, "filename": file.work.filename, "score": score,
                "attributes": file.body["attributes"], "content": [{"type": "text", "text": chunk.text}],
            })  # fmt: skip
    return hits


ROUTES: tuple[ResourceRoute, ...] = (
    *VECTOR_STORES.routes("create", "list", "retrieve", "update", "delete"),
    ResourceRoute(
        label="vector_stores.search", method="POST", path="/vector_stores/{vector_store_id}/search", handler=_search
    ),
)
