"""The wait for a run's result on behalf of a client, and the answer when the run has failed.

A failed run is 409 whatever it failed with: see docs/http.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from runtime.contracts import RunFailed, Workflows
from runtime.errors import TIMEOUT, Error
from runtime.http.answers import run_links, seconds
from runtime.http.backend import Backend
from runtime.http.problem import RUN_FAILED, ProblemResponse
from runtime.http.request import gone_of, principal_of
from runtime.payload import Payload

#: The longest a client may wait in one request, seconds.
MAX_WAIT = 300.0
PREFER_HEADER, APPLIED_HEADER = "Prefer", "Preference-Applied"
_PREFERENCE = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(;|$)', re.IGNORECASE)


class Wait:
    """How long a client wants to wait: as `?wait=` says, else as `Prefer: wait=` does (RFC 7240). Answers 400."""

    def __init__(self, request: web.BaseRequest) -> None:
        preferred = None if "wait" in request.query else _preferred(request)
        self.seconds = seconds(request, "wait", 0.0, MAX_WAIT) if preferred is None else min(preferred, MAX_WAIT)
        #: Says that the preference was heeded.
        self.headers: Mapping[str, str] = (
            {} if preferred is None else {APPLIED_HEADER: f"wait={round(self.seconds)}", "Vary": PREFER_HEADER}
        )


def _preferred(request: web.BaseRequest) -> float | None:
    """What cannot be understood is no preference."""
    for line in request.headers.getall(PREFER_HEADER, []):
        for preference in line.split(","):
            found = _PREFERENCE.match(preference)
            if found is not None:
                return float(found[1])
    return None


async def result_of(request: web.BaseRequest, backend: Backend, run: str, wait: float) -> Payload | None:
    """The run's value; None when it still runs after `wait` seconds, when the client is gone, or when the server stops.

    Answers 409 when the run has failed.
    """
    workflows: Workflows = backend.workflows_for(principal_of(request))
    waiting = asyncio.ensure_future(workflows.result(run, timeout=wait))
    others = [asyncio.ensure_future(event.wait()) for event in (backend.stopping, gone_of(request))]
    try:
        await asyncio.wait((waiting, *others), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    except RunFailed as failed:
        raise run_failed(run, failed) from None
    except Error as error:
        if error.kind == TIMEOUT and (error.details or {}).get("waiting"):
            return None
        raise
    finally:
        waiting.cancel()
        for other in others:
            other.cancel()


def run_failed(run: str, failed: RunFailed) -> ProblemResponse:
    """To ask again gives the same answer, whatever may be tried again of what the run did."""
    about: dict[str, Any] = {
        "run": {"id": run, "status": failed.status, "links": run_links(run)},
        "message": failed.message,
        "retryable": False,
    }
    return ProblemResponse(409, failed, problem_type=RUN_FAILED, more=about)
