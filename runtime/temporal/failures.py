"""The translation between our one error and Temporal's failures.

Lua to Temporal: an ApplicationError whose type is the kind, whose single detail is the whole chain in wire form (marked,
so that a foreign detail is not taken for ours), and whose stack trace is the Lua one. The failure is built as a message
rather than raised as a Python error, because the SDK would put the Python traceback of the raise there: of no use to an
author, and a leak of host internals.

Temporal to Lua: our chain where there is one; otherwise what the failure tells. Where it happened is added to the details.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    ServerError,
    TerminatedError,
    TimeoutError,
)

from runtime import errors
from runtime.errors import Error
from runtime.payload import Payload
from runtime.temporal import wire

CONVERTER = DefaultFailureConverter()
PAYLOADS = PayloadConverter.default

#: What SDKs say for a type nobody registered (Python, TypeScript and Java; Go).
_NOT_REGISTERED = frozenset({"NotFoundError", "ActivityNotRegisteredError"})
#: What names us as the source of a failure.
SOURCE = "evermoon"
_ACTIVITY_CANCELED = "activity canceled"
#: The server truncates or refuses larger failures; the chain is cut to its head then.
_MAX_CHAIN = 512 * 1024
_MAX_TEXT = 16 * 1024
#: Texts of the causes are told as far as they fit; the chain has them all, where it is no longer than it may be.
_MAX_CAUSES = 256 * 1024
#: What a further detail of an activity's failure has.
ATTEMPTS = "evermoon_attempts"
#: Bytes of a failure, at most.
MAX_SIZE = 1024 * 1024


def to_failure(error: Error, attempts: Sequence[Mapping[str, Any]] = ()) -> ApplicationError:
    """An error as an exception to raise in a workflow or an activity; `attempts`: what those of the activity came to."""
    failure = _message(error)
    failure.application_failure_info.details.payloads.append(wire.to_proto(_chain(error)))
    if attempts:
        failure.application_failure_info.details.payloads.append(wire.to_proto(Payload.of({ATTEMPTS: list(attempts)})))
    raised = CONVERTER.from_failure(failure, PAYLOADS)
    assert isinstance(raised, ApplicationError)
    return raised


def _message(error: Error, room: int = _MAX_CAUSES) -> Failure:
    failure = Failure(message=_cut(str(error)), source=SOURCE, stack_trace=_cut(error.stack or ""))
    info = failure.application_failure_info
    info.type = error.kind or wire.UNTYPED
    info.non_retryable = not error.is_retried
    delay = (error.details or {}).get("retry_after")
    if isinstance(delay, int | float) and not isinstance(delay, bool) and delay > 0:
        info.next_retry_delay.FromTimedelta(timedelta(milliseconds=delay))
    room -= len(failure.message) + len(failure.stack_trace)
    if error.cause is not None and room > 0:
        failure.cause.CopyFrom(_message(error.cause, room))
    return failure


def _cut(text: str) -> str:
    """As UTF-8 has it, which half a surrogate pair is not."""
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode()


def _chain(error: Error) -> Payload:
    chain = Payload.of({wire.ERROR_MARK: 1, **error.to_wire()})
    if len(chain.data) <= _MAX_CHAIN:
        return chain
    head = {"kind": error.kind, "message": _cut(error.message), "retryable": error.retryable}
    return Payload.of({wire.ERROR_MARK: 1, **head, "stack": _cut(error.stack or "")})


def recorded(failure: Failure) -> Error:
    """A recorded failure as a client may see it: ours whole, anything else by kind and message alone. It always has a kind."""
    error = from_failure(CONVERTER.from_failure(failure, PAYLOADS))
    error.kind = error.kind or wire.UNTYPED
    return error


def told(failure: Failure) -> dict[str, Any]:
    return recorded(failure).to_wire()


def attempts(failure: Failure) -> list[dict[str, Any]]:
    """What the attempts of an activity came to, as its failure says it; one that ran out of time has its last failure as its cause."""
    raised = CONVERTER.from_failure(failure, PAYLOADS)
    for detail in raised.details if isinstance(raised, ApplicationError) else ():
        if isinstance(detail, Mapping) and isinstance(detail.get(ATTEMPTS), list):
            return list(detail[ATTEMPTS])
    return attempts(failure.cause) if failure.HasField("cause") else []


def from_failure(failure: BaseException, *, elsewhere: bool = False) -> Error:
    """What a script sees of a failed activity, child or run. `elsewhere`: of one whose errors have types of their own, which are their kinds then."""
    if isinstance(failure, ActivityError):
        return _where(failure, elsewhere, _activity_id=failure.activity_id, _retry_state=_state(failure))
    if isinstance(failure, ChildWorkflowError):
        state = _state(failure)
        return _where(failure, elsewhere, _workflow_id=failure.workflow_id, _run_id=failure.run_id, _retry_state=state)
    if isinstance(failure, ApplicationError):
        return _application(failure, elsewhere)
    if isinstance(failure, CancelledError):
        return errors.canceled(_text(failure, "canceled"))
    if isinstance(failure, TerminatedError):
        return errors.canceled("workflow terminated")
    if isinstance(failure, TimeoutError):
        return _timeout(failure)
    if isinstance(failure, ServerError):
        return errors.internal(failure.message, retryable=not failure.non_retryable)
    message = failure.message if isinstance(failure, FailureError) else type(failure).__name__
    return Error(errors.UNKNOWN, message)


def _where(failure: ActivityError | ChildWorkflowError, elsewhere: bool, **place: Any) -> Error:
    cause = failure.cause
    error = from_failure(cause, elsewhere=elsewhere) if cause is not None else Error(errors.UNKNOWN, failure.message)
    if error.kind == errors.CANCELED and isinstance(cause, CancelledError):
        what = _ACTIVITY_CANCELED if isinstance(failure, ActivityError) else "workflow canceled"
        error = errors.canceled(what, **(error.details or {}))
    error.details = {**(error.details or {}), **{key: value for key, value in place.items() if value is not None}}
    return error


def _application(failure: ApplicationError, elsewhere: bool) -> Error:
    for detail in failure.details:
        if isinstance(detail, Mapping) and wire.ERROR_MARK in detail:
            return Error.from_wire(detail)
    inner = failure.cause
    cause = from_failure(inner, elsewhere=elsewhere) if isinstance(inner, FailureError) else None
    kind = failure.type or errors.UNKNOWN
    if kind in _NOT_REGISTERED and "not registered" in failure.message:
        return Error(errors.NOT_FOUND, failure.message, retryable=True)
    if kind not in errors.KINDS and not elsewhere:
        kind = errors.UNKNOWN
    retryable = False if failure.non_retryable else None
    details = failure.details[0] if failure.details and isinstance(failure.details[0], Mapping) else None
    return Error(kind, failure.message, retryable=retryable, details=details, cause=cause)


def _timeout(failure: TimeoutError) -> Error:
    kind = "".join(part.capitalize() for part in failure.type.name.split("_")) if failure.type is not None else ""
    details: dict[str, Any] = {"timeout_type": kind}
    if failure.last_heartbeat_details:
        details["last_heartbeat"] = failure.last_heartbeat_details[0]
    cause = from_failure(failure.cause) if isinstance(failure.cause, FailureError) else None
    return Error(errors.TIMEOUT, _text(failure, "timed out"), details=details, cause=cause)


def _state(failure: ActivityError | ChildWorkflowError) -> str | None:
    return failure.retry_state.name if failure.retry_state is not None else None


def _text(failure: FailureError, default: str) -> str:
    return failure.message or default
