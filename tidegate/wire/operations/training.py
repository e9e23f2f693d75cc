"""Fine-tuning, graders and evals, and the legacy completions."""

from tidegate.wire.operations.operation import (
    AnswerContent,
    BodyKind,
    ChargeBasis,
    ObjectKind,
    Operation,
    OperationClock,
)

_JOB = {"fine_tuning_job_id": ObjectKind.FINE_TUNING_JOB}
_EVAL = {"eval_id": ObjectKind.EVAL}

COMPLETIONS = (
    Operation(
        label="completions.create",
        method="POST",
        path="/v1/completions",
        body=BodyKind.JSON,
        answer=AnswerContent.JSON_OR_EVENTS,
        charge=ChargeBasis.TOKENS,
    ),
)
FINE_TUNING = (
    Operation(
        label="fine_tuning.jobs.create",
        method="POST",
        path="/v1/fine_tuning/jobs",
        body=BodyKind.JSON,
        charge=ChargeBasis.LATER,
        makes=ObjectKind.FINE_TUNING_JOB,
    ),
    Operation(
        label="fine_tuning.jobs.list", method="GET", path="/v1/fine_tuning/jobs", lists=ObjectKind.FINE_TUNING_JOB
    ),
    Operation(
        label="fine_tuning.jobs.retrieve", method="GET", path="/v1/fine_tuning/jobs/{fine_tuning_job_id}", of=_JOB
    ),
    Operation(
        label="fine_tuning.jobs.cancel",
        method="POST",
        path="/v1/fine_tuning/jobs/{fine_tuning_job_id}/cancel",
        body=BodyKind.JSON,
        of=_JOB,
    ),
    Operation(
        label="fine_tuning.jobs.pause",
        method="POST",
        path="/v1/fine_tuning/jobs/{fine_tuning_job_id}/pause",
        body=BodyKind.JSON,
        of=_JOB,
    ),
    Operation(
        label="fine_tuning.jobs.resume",
        method="POST",
        path="/v1/fine_tuning/jobs/{fine_tuning_job_id}/resume",
        body=BodyKind.JSON,
        of=_JOB,
    ),
    Operation(
        label="fine_tuning.jobs.list_events",
        method="GET",
        path="/v1/fine_tuning/jobs/{fine_tuning_job_id}/events",
        of=_JOB,
    ),
    Operation(
        label="fine_tuning.jobs.checkpoints.list",
        method="GET",
        path="/v1/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints",
        of=_JOB,
    ),
    Operation(
        label="fine_tuning.alpha.graders.run",
        method="POST",
        path="/v1/fine_tuning/alpha/graders/run",
        body=BodyKind.JSON,
        clock=OperationClock.LONG,
        charge=ChargeBasis.UNKNOWN,
    ),
    Operation(
        label="fine_tuning.alpha.graders.validate",
        method="POST",
        path="/v1/fine_tuning/alpha/graders/validate",
        body=BodyKind.JSON,
    ),
)
EVALS = (
    Operation(label="evals.create", method="POST", path="/v1/evals", body=BodyKind.JSON, makes=ObjectKind.EVAL),
    Operation(label="evals.list", method="GET", path="/v1/evals", lists=ObjectKind.EVAL),
    Operation(label="evals.retrieve", method="GET", path="/v1/evals/{eval_id}", of=_EVAL),
    Operation(label="evals.update", method="POST", path="/v1/evals/{eval_id}", body=BodyKind.JSON, of=_EVAL),
    Operation(label="evals.delete", method="DELETE", path="/v1/evals/{eval_id}", deletes=ObjectKind.EVAL, of=_EVAL),
    Operation(
        label="evals.runs.create",
        method="POST",
        path="/v1/evals/{eval_id}/runs",
        body=BodyKind.JSON,
        charge=ChargeBasis.LATER,
        of=_EVAL,
    ),
    Operation(label="evals.runs.list", method="GET", path="/v1/evals/{eval_id}/runs", of=_EVAL),
    Operation(label="evals.runs.retrieve", method="GET", path="/v1/evals/{eval_id}/runs/{run_id}", of=_EVAL),
    Operation(
        label="evals.runs.cancel", method="POST", path="/v1/evals/{eval_id}/runs/{run_id}", body=BodyKind.JSON, of=_EVAL
    ),
    # the official SDKs call this path, the published description has the one above
    Operation(
        label="evals.runs.cancel_at_path",
        method="POST",
        path="/v1/evals/{eval_id}/runs/{run_id}/cancel",
        body=BodyKind.JSON,
        of=_EVAL,
    ),
    Operation(label="evals.runs.delete", method="DELETE", path="/v1/evals/{eval_id}/runs/{run_id}", of=_EVAL),
    Operation(
        label="evals.runs.output_items.list",
        method="GET",
        path="/v1/evals/{eval_id}/runs/{run_id}/output_items",
        of=_EVAL,
    ),
    Operation(
        label="evals.runs.output_items.retrieve",
        method="GET",
        path="/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}",
        of=_EVAL,
    ),
)
PROVENANCE = (
    Operation(
        label="content_provenance_checks.create",
        method="POST",
        path="/v1/content_provenance_checks",
        body=BodyKind.MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.UNKNOWN,
    ),
)
