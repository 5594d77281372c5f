"""Python functions as entries, and an execution of one: arguments and results by annotation, failures as the one error.

JSON is validated as JSON (`TypeAdapter.validate_json`), so an annotation means what it means in a pydantic model: dates,
enumerations, decimals, dataclasses and models are read from their JSON form. A value that is not JSON arrives as bytes.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from runtime.contracts import OutletPort
from runtime.errors import Error, internal, invalid
from runtime.lua.protocol import Event
from runtime.payload import BINARY, NULL, Payload
from runtime.process.concurrency import Permit
from runtime.process.execution import Call, Execution
from runtime.process.execution_context import ExecutionContext, enter
from runtime.process.heartbeats import HeartbeatsAfterStreams
from runtime.process.threads import run_apart

_log = logging.getLogger("evermoon.function")

#: Text of an exception that would tell a script about the host: paths, addresses, tracebacks.
_HOST_TEXT = re.compile(r"/[\w.-]+/|://\S*@|\\|\.py\b|Traceback| object at 0x")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class PythonFunction:
    """A loaded `function.py`: its callable, and how to read each argument. Files below `root` are the author's own."""

    def __init__(self, entry_id: str, callable_: Callable[..., Any], root: Path | None = None) -> None:
        self._id = entry_id
        self._root = root
        self._call = callable_
        self.is_async = inspect.iscoroutinefunction(callable_)
        parameters = list(inspect.signature(callable_).parameters.values())
        hints = _hints(callable_)
        positional = [p for p in parameters if p.kind in _POSITIONAL]
        self._adapters = [_adapter(entry_id, p, hints) for p in positional]
        self._names = [p.name for p in positional]
        self._required = sum(p.default is p.empty for p in positional)
        rest = next((p for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self._takes_more = rest is not None
        self._rest = _adapter(entry_id, rest, hints) if rest is not None else None

    async def run(self, args: Sequence[Payload]) -> Payload:
        """Raises `Error`: INVALID for arguments that do not fit, what the function raised, else INTERNAL."""
        values = self._read(args)
        try:
            if self.is_async:
                result = await self._call(*values)
            else:
                result = await run_apart(lambda: self._call(*values))
                if inspect.isawaitable(result):
                    result = await result
        except (Error, GeneratorExit):
            raise
        except BaseException as error:  # the end of an interpreter, too, is no matter of a function's
            if isinstance(error, asyncio.CancelledError) and _is_canceled():
                raise
            _log.exception("%s failed", self._id, extra={"traceback": True})
            raise self._failure(error) from error
        return self._written(result)

    def _read(self, args: Sequence[Payload]) -> list[Any]:
        if len(args) < self._required or (not self._takes_more and len(args) > len(self._adapters)):
            raise invalid(f"{self._id} takes {self._arity()}, not {len(args)}")
        values = []
        for position, payload in enumerate(args):
            known = position < len(self._adapters)
            name = self._names[position] if known else str(position + 1)
            adapter = self._adapters[position] if known else self._rest
            values.append(self._argument(name, adapter, payload))
        return values

    def _argument(self, name: str, adapter: TypeAdapter[Any] | None, payload: Payload) -> Any:
        if adapter is None:
            return payload.value()
        try:
            if payload.encoding.startswith("json/"):
                return adapter.validate_json(payload.data)
            return adapter.validate_python(None if payload.encoding == NULL else payload.data)
        except ValidationError as error:
            raise _unfit(self._id, name, error) from None

    def _arity(self) -> str:
        least, most = self._required, len(self._adapters)
        if self._takes_more:
            return f"{least} or more arguments"
        return f"{most} argument{'' if most == 1 else 's'}" if least == most else f"{least} to {most} arguments"

    def _written(self, result: Any) -> Payload:
        if isinstance(result, bytes | bytearray):
            return Payload(BINARY, bytes(result))
        try:
            return Payload.of(to_jsonable_python(result))
        except (PydanticSerializationError, Error, ValueError) as error:
            _log.error("%s returned a %s: %s", self._id, type(result).__name__, error)
            said = _said(error)
            text = f"{self._id} returned a {type(result).__name__} that has no JSON form{said}"
            raise internal(
                f"{text}; return text, numbers, booleans, lists and dicts, or a model of pydantic"
            ) from error

    def _failure(self, error: BaseException) -> Error:
        """The exception and the author's line. Text that would tell of the host stays in the log, with the whole traceback."""
        if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
            error = error.__cause__  # which Python lets through no coroutine
        place, said = self._place(error), _said(error)
        return internal(f"{self._id} failed: {type(error).__name__}{said}{place}", retryable=None)

    def _place(self, error: BaseException) -> str:
        """The innermost frame in a file of the author's, in words."""
        if self._root is None:
            return ""
        root = self._root.resolve()
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if _is_own(Path(frame.filename), root)]
        return (
            f" ({Path(own[-1].filename).relative_to(root).as_posix()}:{own[-1].lineno}, in {own[-1].name})"
            if own
            else ""
        )


def _said(error: BaseException) -> str:
    """The text of an exception, unless it would tell of the host."""
    try:
        text = str(error)
    except Exception:
        return ""
    return "" if not text or _HOST_TEXT.search(text) else f": {text}"


def _is_canceled() -> bool:
    """Whether somebody asked this task to end; anybody may raise what that raises."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_own(file: Path, root: Path) -> bool:
    return file.is_relative_to(root) and "site-packages" not in file.parts


def _hints(callable_: Callable[..., Any]) -> dict[str, Any]:
    target = callable_ if inspect.isroutine(callable_) else getattr(type(callable_), "__call__", callable_)  # noqa: B004
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise invalid(f"an annotation cannot be read: {error}") from error


def _adapter(entry_id: str, parameter: inspect.Parameter, hints: dict[str, Any]) -> TypeAdapter[Any] | None:
    hint = hints.get(parameter.name, Any)
    if hint is Any:
        return None
    try:
        return TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise invalid(f"{entry_id}: parameter {parameter.name} has a type without a JSON form") from error


def _unfit(entry_id: str, name: str, error: ValidationError) -> Error:
    problems = [
        {"field": ".".join([name, *(str(part) for part in item["loc"])]), "problem": item["msg"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = problems[0]
    return invalid(f"{entry_id}: {first['field']}: {first['problem']}", problems=problems)


class PythonRun(Execution):
    """An execution of a Python function. It has a PID, by which it is known as a sender, but no mailbox. Cancelling it cancels its coroutine; a synchronous
    function goes on until it looks at `current().activity.is_canceled()`, and is abandoned after the grace."""

    def __init__(
        self, call: Call, function: PythonFunction, permit: Permit, environ: Mapping[str, str], outlet: OutletPort
    ) -> None:
        super().__init__(call)
        self._function = function
        self._permit = permit
        self._environ = environ
        self._outlet = outlet
        activity = call.trigger.activity
        self._activity: HeartbeatsAfterStreams | None = None
        if activity is not None:
            self._activity = HeartbeatsAfterStreams(activity, outlet, asyncio.get_running_loop())

    def post(self, event: Event) -> bool:
        return False

    def cancel(self, reason: str, sender: str = "") -> None:
        if self._function.is_async and self._task is not None:
            self._task.cancel()

    async def execute(self) -> Payload:
        await self._permit.hold()
        try:
            enter(self._current())
            return await self._function.run(self.call.args)
        finally:
            self._permit.give_back()

    async def has_published(self) -> None:
        await super().has_published()
        if self._activity is not None:
            await self._activity.sent()

    def _current(self) -> ExecutionContext:
        call = self.call
        return ExecutionContext(
            entry=call.entry.id,
            pid=call.pid,
            sender=call.caller.sender,
            context=dict(call.caller.context),
            activity=self._activity,
            request=call.trigger.request,
            response=call.trigger.response,
            message=call.trigger.message,
            environ=self._environ,
            principal=call.caller.principal,
            outlet=self._outlet,
        )
