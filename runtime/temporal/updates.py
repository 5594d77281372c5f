"""Updates: an accepted one is an event for the session, answered when the script has answered it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue

from runtime.errors import Error
from runtime.lua import protocol
from runtime.payload import Payload
from runtime.temporal import declared, failures, wire
from runtime.temporal.run import Run


async def answer(run: Run, name: str, args: Sequence[Payload]) -> RawValue:
    """The answer to the update being handled. An error of the script fails the update, not the run."""
    info = workflow.current_update_info()
    assert info is not None
    done: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
    run.updates[info.id] = done
    run.post(protocol.update(info.id, name, args))
    try:
        return wire.raw(await done)
    except Error as error:
        raise failures.to_failure(error) from None


def validate(run: Run, name: str, args: Sequence[Payload]) -> None:
    """Rejects the update, before it enters history, when its argument does not match the declared schema, the script's validator
    says so, or nobody handles it."""
    try:
        declared.check(run, declared.UPDATE, name, args)
        run.validate(name, args)
    except Error as error:
        raise failures.to_failure(error) from None
