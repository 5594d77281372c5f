"""The answers to queries, given by the session as it is, without leaving a trace in the run."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from temporalio.api.common.v1 import Payload as Proto
from temporalio.bridge.proto.workflow_activation import QueryWorkflow

from runtime import limits
from runtime.errors import Error
from runtime.payload import Payload
from runtime.temporal import failures, wire
from runtime.temporal.workflow import declared, stack_traces
from runtime.temporal.workflow.run import Run


def take(run: Run, job: QueryWorkflow) -> None:
    """Whatever goes wrong is the answer. Who reads whole errors gets them; others a failed query, of which the server keeps the text."""
    try:
        answer = _answer(run, job.query_type, wire.payloads(job.arguments))
    except Error as error:
        if wire.read_header(job.headers, wire.WHOLE_ERRORS) is not True:
            _fail(run, job.query_id, failures.to_failure(error))
            return
        answer = wire.whole_error(error)
    except Exception as bug:
        _fail(run, job.query_id, bug)
        return
    response = run.emit().respond_to_query
    response.query_id = job.query_id
    response.succeeded.response.CopyFrom(answer)


def _answer(run: Run, name: str, args: list[Payload]) -> Proto:
    if name == wire.QUERY_METADATA:
        return run.payload_of(declared.describe(run))
    if name == wire.QUERY_STACK_TRACE:
        return run.payload_of(stack_traces.text(_stacks(run), suggested=run.clock.continue_as_new_suggested))
    if name == wire.QUERY_ENHANCED_STACK_TRACE:
        return run.payload_of(stack_traces.enhanced(_stacks(run), run.units, version("evermoon")))
    declared.check(run, declared.QUERY, name, args)
    answer = run.query(name, args)
    limits.check_size(f'the answer to query "{name[:80]}"', [answer])
    return wire.to_proto(answer)


def _stacks(run: Run) -> list[dict[str, Any]]:
    return run.query(wire.QUERY_STACK, []).value() or []


def _fail(run: Run, query_id: str, failure: BaseException) -> None:
    response = run.emit().respond_to_query
    response.query_id = query_id
    run.write_failure(failure, response.failed)
