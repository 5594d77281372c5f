"""The choices that a run makes once. They are recorded as Temporal patches when live and read back when replaying. `Run.refused` is the simplest of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload as Proto

from runtime import limits
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.lua.program import Program
from runtime.lua.session import Questions
from runtime.payload import Payload
from runtime.temporal import wire
from runtime.temporal.workflow.run import Run

if TYPE_CHECKING:
    from runtime.registry import inputs
else:
    inputs = late("runtime.registry.inputs")

#: Each version a run may be on is asked for by itself, so a range is bounded.
MAX_VERSIONS = 1000


def check(run: Run, op: str, at: object, live: Callable[[], object], otherwise: Error) -> None:
    """Raises what `live` raises. That it did is recorded, and a replay goes by the record: what a worker knows changes with a deploy.

    `op` and `at`, a command's number or a word, name the call. `otherwise` is raised where a replay finds no reason any more.
    """
    problem: list[Error] = []

    def is_refused() -> bool:
        try:
            live()
        except Error as error:
            problem.append(error)
        return bool(problem)

    if run.refused(wire.REFUSED_MARKER.format(op=op, seq=at), is_refused):
        raise problem[0] if problem or is_refused() else otherwise


def refusal_of_input(run: Run, program: Program, args: Sequence[Payload]) -> Error | None:
    """Why a run cannot begin with these arguments, whoever started it. Its bundle says what they must be."""
    try:
        check_input(run, "start", program.entry, program.input_schema, args)
    except Error as error:
        return error
    return None


def check_input(run: Run, at: object, entry: str, schema: inputs.Schema | None, args: Sequence[Payload]) -> None:
    """As `inputs.check_args`, of a run that is about to begin; `at` as for `check`."""
    if schema is not None:
        was = invalid(f"input of {entry} was refused")
        check(run, "input", at, lambda: inputs.check_args(entry, schema, args), was)


def check_size(run: Run, what: str, payloads: Sequence[Payload], at: object) -> None:
    """As `limits.check_size`, at one place of a run: that a large value was let pass, for a payload store takes it, is recorded.

    Without a marker what was refused stays so when a store comes, and what was let pass when it goes.
    """
    if limits.is_small(payloads):
        return
    if (
        sum([len(payload.data) for payload in payloads]) <= limits.MAX_BLOB
    ):  # too many, at most: once they were not counted
        check(
            run, "size", at, lambda: limits.check_size(what, payloads, run.host.stored), invalid(f"{what} were refused")
        )
        return
    try:
        limits.check_size(what, payloads)
    except Error:
        if not run.replaying:
            limits.check_size(what, payloads, run.host.stored)
        if not run.patched(wire.STORED_MARKER.format(at=at)):
            raise


def request_size(
    run: Run, what: str, at: object, args: Sequence[Payload], headers: Mapping[str, Proto], more: int = 0
) -> int:
    """Bytes of a command with these values and headers, and `more`, as they travel. Raises `Error` INVALID where no task has room for it."""
    around = (
        limits.ENVELOPE * (len(args) + len(headers)) + sum([len(header.data) for header in headers.values()]) + more
    )
    size = limits.weight(args, run.host.stored) + around
    if limits.weight(args) + around > limits.MAX_REQUEST:  # else it is no more than that by reference
        check(run, "request", at, lambda: limits.check_request(what, size), invalid(f"{what} were refused"))
    return size


def refuse(run: Run, op: str, at: object, error: Error) -> None:
    """Raises the error, when live, and where that is recorded."""

    def live() -> None:
        raise error

    check(run, op, at, live, error)


def check_under_way(run: Run, what: str, count: int, at: object) -> None:
    """Raises `Error` LIMIT_EXCEEDED for one more of `what` (`children`, `activities`, `timers`) than the run's entry lets it have under way."""
    most: int | None = getattr(run.most, what)
    if (most is None or count < most) and not run.may_have_been_refused:
        return

    def live() -> None:
        if most is not None and count >= most:
            raise limits.reached(what, most, run.entry_id)

    check(run, what, at, live, limits.reached(what, count, run.entry_id))


def check_name(run: Run, what: str, name: str, at: object) -> None:
    """As `limits.check_name`, likewise. Most are short: that they are costs nothing."""
    if len(name) > limits.SHORT:
        check(run, "name", at, lambda: limits.check_name(what, name), invalid(f"{what} was refused"))


def version(run: Run, change: str, minimum: int, maximum: int) -> int:
    """`workflow.version`: the version this run is on at this change.

    The highest recorded one counts; a live run records `maximum`. A run that passed here before the change existed has no
    record and is on version 1, or on `minimum` when that is lower. Asking further down than needed matters: a marker in
    history that is not asked for is a nondeterminism error. Raises `Error` INVALID when the run's version is out of range.
    """
    if maximum - min(minimum, 1) > MAX_VERSIONS:
        raise invalid(f'version of "{change}": {minimum} to {maximum} is more than {MAX_VERSIONS} versions')
    lowest = min(minimum, 1)
    recorded = (
        v for v in range(maximum, lowest - 1, -1) if run.patched(wire.VERSION_MARKER.format(id=change, version=v))
    )
    found = next(recorded, lowest)
    if found < minimum:
        raise invalid(
            f'this run is on version {found} of "{change}", the code supports {minimum} to {maximum}',
            version=found,
            min=minimum,
            max=maximum,
        )
    return found


def questions(run: Run) -> Questions:
    """What a step may ask its host, by the name the kernel uses."""

    def named(change: str) -> str:
        if len(change) > limits.SHORT:
            check_name(run, "the id of a change", change, sha256(change.encode("utf-8", "replace")).hexdigest()[:16])
        return change

    return {
        "workflow.version": lambda change, minimum, maximum: version(run, named(change), minimum, maximum),
        "workflow.patched": lambda change: run.patched(named(change)),
        "workflow.deprecate_patch": lambda change: run.patched(named(change), deprecated=True) or True,
    }
