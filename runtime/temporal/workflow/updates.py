"""The updates of a run. An accepted update is an event for the session, and is answered when the script has answered it."""

from __future__ import annotations

from functools import partial

from temporalio.bridge.proto.workflow_activation import DoUpdate
from temporalio.bridge.proto.workflow_commands import UpdateResponse

from runtime import limits
from runtime.errors import Error
from runtime.lua import protocol
from runtime.payload import Payload
from runtime.temporal import failures, wire
from runtime.temporal.workflow import declared
from runtime.temporal.workflow.run import Run


def take(run: Run, job: DoUpdate) -> None:
    """Accepts an update, or rejects it before it enters history: its argument does not match the declared schema, the script's
    validator says so, or nobody handles it."""
    args = wire.payloads(job.input)
    response = _response(run, job.protocol_instance_id)
    if job.run_validator:
        try:
            declared.check(run, declared.UPDATE, job.name, args)
            run.validate(job.name, args)
        except Error as error:
            run.write_failure(failures.to_failure(error), response.rejected)
            return
    response.accepted.SetInParent()
    run.updates[job.id] = job.protocol_instance_id
    run.post(protocol.update(job.id, job.name, args))


def answer(run: Run, instance: str, outcome: Payload | Error) -> None:
    """What the script says to an update it has accepted. An error fails the update, not the run; so does a value that is too large."""
    if isinstance(outcome, Payload):
        try:
            limits.check_size("the result of an update", [outcome], run.host.stored)
        except Error as error:
            outcome = error
    size = failures.MAX_SIZE if isinstance(outcome, Error) else limits.weight([outcome], run.host.stored)
    run.pacing.send(size, partial(_answer, run, instance, outcome), lasts=True)


def _answer(run: Run, instance: str, outcome: Payload | Error) -> None:
    response = _response(run, instance)
    if isinstance(outcome, Error):
        run.write_failure(failures.to_failure(outcome), response.rejected)
    else:
        response.completed.CopyFrom(wire.to_proto(outcome))


def _response(run: Run, instance: str) -> UpdateResponse:
    response = run.emit().update_response
    response.protocol_instance_id = instance
    return response
