"""The translation of what a Temporal client's calls raise into our one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from runtime import errors, limits
from runtime.errors import Error
from runtime.temporal import failures

#: One call, retries by the SDK included. Long enough for a busy server, short enough for somebody at a prompt.
TIMEOUT = timedelta(seconds=10)
#: A call that the server holds until something happens; longer than it does so.
LONG_POLL = timedelta(seconds=90)

_KINDS = {
    RPCStatusCode.NOT_FOUND: errors.NOT_FOUND,
    RPCStatusCode.ALREADY_EXISTS: errors.ALREADY_EXISTS,
    RPCStatusCode.INVALID_ARGUMENT: errors.INVALID,
    RPCStatusCode.OUT_OF_RANGE: errors.INVALID,
    RPCStatusCode.PERMISSION_DENIED: errors.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED: errors.PERMISSION_DENIED,
    RPCStatusCode.RESOURCE_EXHAUSTED: errors.RATE_LIMITED,
    RPCStatusCode.FAILED_PRECONDITION: errors.CONFLICT,
    RPCStatusCode.ABORTED: errors.CONFLICT,
    RPCStatusCode.UNAVAILABLE: errors.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED: errors.UNAVAILABLE,
    RPCStatusCode.CANCELLED: errors.UNAVAILABLE,
}
#: What the server says of a run that has been sent as many signals as it lets it.
_SIGNALS = "limit for signal events"
_UNREACHABLE = "the Temporal server does not answer"


def unavailable(detail: str = "") -> Error:
    return errors.unavailable(f"{_UNREACHABLE}{detail}")


def not_found(run: str) -> Error:
    """Of a run that nobody knows, or that has ended and can be sent nothing any more: the server tells no difference."""
    return errors.not_found("workflow", run, workflow_id=run)


def no_namespace(name: str) -> Error:
    """UNAVAILABLE, since it is nothing that whoever asks did wrong, and it may come into being."""
    return errors.unavailable(
        f'the Temporal server has no namespace "{name}": correct `namespace` of the temporal.client, '
        f"or have it made (temporal operator namespace create -n {name})",
        namespace=name,
    )


async def check_namespace(client: Client) -> None:
    """Raises `Error` as `no_namespace`, for a namespace that the server says it does not have: workers would end for that, in its words."""
    try:
        request = DescribeNamespaceRequest(namespace=client.namespace)
        await client.workflow_service.describe_namespace(request, timeout=TIMEOUT)
    except RPCError as error:
        if _missing_namespace(error) is not None:
            raise no_namespace(client.namespace) from None


@contextmanager
def mapped(run: str = "") -> Iterator[None]:
    """Calls made inside raise `Error` and nothing else; `run` is the id they are about."""
    try:
        yield
    except WorkflowQueryFailedError as error:
        raise errors.invalid(str(error)) from None
    except WorkflowQueryRejectedError:
        raise errors.conflict(f"workflow {run} takes no queries in its state") from None
    except WorkflowUpdateFailedError as error:
        raise failures.from_failure(error.cause) from None
    except RPCTimeoutOrCancelledError:
        raise unavailable(" in time") from None
    except RPCError as error:
        raise _from_status(error, run) from None


def _from_status(error: RPCError, run: str) -> Error:
    kind = _KINDS.get(error.status, errors.INTERNAL)
    namespace = _missing_namespace(error)
    if namespace is not None:
        return no_namespace(namespace)
    if kind == errors.NOT_FOUND and run:
        return not_found(run)
    if kind == errors.UNAVAILABLE:
        return unavailable()
    if kind == errors.INVALID and run and _SIGNALS in error.message:
        return limits.too_many_signals(run)
    if kind == errors.CONFLICT and run and "Workflow Task in failed state" in error.message:
        return errors.unavailable(
            f"workflow {run} cannot answer: its workflow tasks fail; evermoon show {run} says why"
        )
    return Error(kind, error.message)


def _missing_namespace(error: RPCError) -> str | None:
    """The namespace that the server does not know, when that is what it says."""
    failure = NamespaceNotFoundFailure()
    for detail in error.grpc_status.details:
        if detail.Unpack(failure):
            return failure.namespace
    return None
