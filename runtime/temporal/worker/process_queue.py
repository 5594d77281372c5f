"""The queue by which workflows reach the processes of this host. Each node has one, served by a small worker on each cluster.

A workflow cannot reach a process itself, so it schedules an activity on the queue of the process's node. An activity may
run twice, a message must not arrive twice: the node remembers what it has delivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from runtime.errors import Error, invalid
from runtime.payload import Payload
from runtime.process.host import ProcessHost
from runtime.temporal import failures, wire
from runtime.temporal.client.clients import Clients
from runtime.temporal.worker.interceptor import Interceptor, activity_headers
from runtime.temporal.worker.sdk_warnings import outlive_warnings

_log = logging.getLogger(__name__)

#: Pairs of a run and a process whose last message is remembered. A message comes twice only within the 30 s that its
#: delivery may take, so what is forgotten is long past.
REMEMBERED = 100_000


class Delivered:
    """A memory of the messages that have arrived, by id (`<run id>/<number>`).

    A run numbers its messages upwards and sends those to one process one batch after another, so the last number says all.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_new(self, to: str, message_id: str) -> bool:
        """Whether this one has not arrived at `to` yet; from now on it has."""
        run, _, number = message_id.rpartition("/")
        key = (run, to)
        if self._last.get(key, -1) >= int(number):
            return False
        self._last[key] = int(number)
        self._last.move_to_end(key)
        if len(self._last) > self._remembered:
            self._last.popitem(last=False)
        return True

    def refused(self, to: str, message_id: str) -> None:
        """The one that came last did not arrive after all: it will come again."""
        run, _, number = message_id.rpartition("/")
        self._last[run, to] = int(number) - 1


def node_worker(client: Client, host: ProcessHost, delivered: Delivered) -> Worker:
    """The worker of this host's node queue on one cluster. `delivered` is shared by all workers of a host."""

    @activity.defn(dynamic=True)
    async def carry_out(args: Sequence[RawValue]) -> None:
        name = activity.info().activity_type
        if name not in _ACTIVITIES:
            raise failures.to_failure(invalid(f"a node runs no activity {name}"))
        sender = wire.sender_of(activity_headers())
        try:
            _ACTIVITIES[name](host, delivered, sender, wire.unraws(args))
        except Error as error:
            raise failures.to_failure(error) from None

    worker = Worker(
        client,
        task_queue=wire.NODE_QUEUE.format(node=host.node),
        activities=[carry_out],
        interceptors=[Interceptor()],
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(1),
        graceful_shutdown_timeout=timedelta(seconds=1),
    )
    outlive_warnings(worker)
    return worker


def _deliver(host: ProcessHost, delivered: Delivered, sender: str, payloads: Sequence[Payload]) -> None:
    """Without a wait, so either all messages of a batch arrive, or the process has ended, or the rest comes again: its mailbox is full."""
    batch: Mapping[str, Any] = payloads[0].value()
    for message, args in _unpacked(batch["messages"], payloads[1:]):
        if delivered.is_new(batch["to"], message["id"]):
            try:
                host.send(batch["to"], message["topic"], args, sender)
            except Error:
                delivered.refused(batch["to"], message["id"])
                raise


def _cancel(host: ProcessHost, delivered: Delivered, sender: str, payloads: Sequence[Payload]) -> None:
    wanted: Mapping[str, str] = payloads[0].value()
    if delivered.is_new(wanted["to"], wanted["id"]):
        try:
            host.cancel(wanted["to"], wanted["reason"], sender)
        except Error:
            delivered.refused(wanted["to"], wanted["id"])
            raise


def _terminate(host: ProcessHost, delivered: Delivered, sender: str, payloads: Sequence[Payload]) -> None:
    wanted: Mapping[str, str] = payloads[0].value()
    if delivered.is_new(wanted["to"], wanted["id"]):
        host.terminate(wanted["to"], wanted["reason"])


_ACTIVITIES: Mapping[str, Callable[[ProcessHost, Delivered, str, Sequence[Payload]], None]] = {
    wire.DELIVER: _deliver,
    wire.CANCEL_PROCESS: _cancel,
    wire.TERMINATE_PROCESS: _terminate,
}


def _unpacked(
    messages: Sequence[Mapping[str, Any]], payloads: Sequence[Payload]
) -> Iterator[tuple[Mapping[str, Any], Sequence[Payload]]]:
    at = 0
    for message in messages:
        yield message, payloads[at : at + message["args"]]
        at += message["args"]


class ProcessQueues:
    """The workers that serve the node's queue on every cluster that this host is connected to, from `start` to `stop`.

    A run can know a process of this host only after the host has spoken to the run's cluster, so connecting is soon enough.
    """

    def __init__(self, clients: Clients, host: ProcessHost) -> None:
        self._clients = clients
        self._host = host
        self._delivered = Delivered()
        self._workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._leave: Callable[[], None] | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._leave is None:
            self._leave = self._clients.on_connect(self._serve)

    def _serve(self, name: str, client: Client) -> None:
        if name in self._workers:  # the entry names another server than it did
            old = asyncio.create_task(_end(*self._workers.pop(name)))
            self._leaving.add(old)
            old.add_done_callback(self._leaving.discard)
        worker = node_worker(client, self._host, self._delivered)
        self._workers[name] = worker, asyncio.create_task(_run(worker, name), name=f"node queue on {name}")

    async def stop(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None
        workers, self._workers = list(self._workers.values()), {}
        await asyncio.gather(*(_end(worker, running) for worker, running in workers), *self._leaving)


async def _end(worker: Worker, running: asyncio.Task[None]) -> None:
    stopping = asyncio.create_task(worker.shutdown())
    await asyncio.wait({running})  # rather than for the shutdown, which never ends when the worker has failed
    stopping.cancel()


async def _run(worker: Worker, name: str) -> None:
    try:
        await worker.run()
    except Exception as error:  # functions still run; what cannot be delivered is logged where it was sent
        _log.warning("%s: messages of workflows do not reach this host: %s", name, error)
