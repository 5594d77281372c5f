"""A signal with a request id of its own, which the SDK's call does not take: the server takes in one of an id, however often it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior

from runtime.payload import Payload
from runtime.temporal import wire
from runtime.temporal.client import rpc


async def send(client: Client, run: str, topic: str, args: Sequence[Payload], sender: str, request: str) -> None:
    message = SignalWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=run),
        signal_name=topic,
        identity=client.identity,
        request_id=request,
    )
    message.input.payloads.extend(await client.data_converter.encode(wire.raws(args)))
    for name, header in wire.headers(sender=sender).items():
        message.header.fields[name].CopyFrom(await _encoded(client, header))
    await client.workflow_service.signal_workflow_execution(message, retry=True, timeout=rpc.TIMEOUT)


async def _encoded(client: Client, header: Proto) -> Proto:
    """As the SDK does it to headers."""
    codec = client.data_converter.payload_codec
    if codec is None or client.config()["header_codec_behavior"] != HeaderCodecBehavior.CODEC:
        return header
    [encoded] = await codec.encode([header])
    return encoded
