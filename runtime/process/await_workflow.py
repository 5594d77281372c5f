"""The wait for the end of a workflow, for as long as it takes: through lost connections and restarts of the server."""

from __future__ import annotations

import time

from runtime.backoff import Backoff
from runtime.contracts import End, Workflows
from runtime.errors import TIMEOUT, UNAVAILABLE, Error
from runtime.payload import Payload

#: Seconds at most between two tries while the server does not answer.
LONGEST_DELAY = 5.0


async def value_of(workflows: Workflows, run: str) -> Payload:
    """The value of a run, through continue-as-new. Raises its failure, never that of a connection."""
    backoff = Backoff(longest=LONGEST_DELAY)
    while True:
        try:
            return await workflows.result(run)
        except Error as error:
            if not await _is_of_the_connection(workflows, run, error):
                raise
        await backoff.pause()


async def end_of(workflows: Workflows, run: str) -> End:
    """As `value_of`, never raising for what the run did."""
    try:
        value = await value_of(workflows, run)
    except Error as error:
        return End(time.time_ns(), error=error)
    return End(time.time_ns(), value=value)


async def _is_of_the_connection(workflows: Workflows, run: str, error: Error) -> bool:
    """A run may itself fail with UNAVAILABLE or TIMEOUT; then it is closed."""
    if error.kind not in (UNAVAILABLE, TIMEOUT):
        return False
    try:
        return (await workflows.describe(run)).closed_at is None
    except Error as unanswered:
        return unanswered.kind == UNAVAILABLE
