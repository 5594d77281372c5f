from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from runtime.contracts import HttpRequest, HttpResponse
from runtime.errors import INTERNAL, INVALID, TIMEOUT, Error
from runtime.payload import Payload
from runtime.registry import Registry
from tests.process.support import Recorded, call, host, load, pids
from tests.waiting import eventually

SOURCE = """
    import asyncio
    import threading
    from dataclasses import dataclass
    from datetime import datetime
    from decimal import Decimal
    from enum import Enum

    from pydantic import BaseModel

    from runtime.errors import Error
    from runtime.process import current

    class Colour(Enum):
        RED = "red"

    @dataclass
    class Line:
        sku: str
        quantity: int = 1

    class Order(BaseModel):
        id: str
        lines: list[Line]
        total: Decimal
        placed: datetime

    def price(order: Order, colour: Colour = Colour.RED) -> Order:
        assert isinstance(order.lines[0], Line)
        return order.model_copy(update={"total": order.total + len(order.lines)})

    def plain(*values):
        return list(values)

    async def later(n: int) -> dict:
        await asyncio.sleep(0)
        return {"n": n + 1}

    def thread() -> list:
        here = current()
        return [threading.current_thread() is threading.main_thread(), here.pid, here.sender, here.context, here.entry]

    def key() -> str:
        here = current()
        here.activity.heartbeat({"at": 1})
        return here.idempotency_key

    def page():
        here = current()
        here.response.status = 418
        return here.request.path

    def declined():
        raise Error("Declined", "no funds", retryable=False, details={"code": 5})

    def broken():
        raise ValueError("no such shelf")

    def leaky():
        open("/does/not/exist")

    def opaque():
        return object()

    def blob(data: bytes) -> bytes:
        return data[::-1]

    async def forever():
        await asyncio.Event().wait()

    STOP = threading.Event()

    def stuck():
        STOP.wait()
"""

ORDER = {
    "id": "o-1",
    "lines": [{"sku": "a"}, {"sku": "b", "quantity": 2}],
    "total": "10.5",
    "placed": "2026-01-02T03:04:05Z",
}


def registry(directory: Path, name: str, *functions: str) -> Registry:
    """The module gets a name of its own: Python imports a name once per process."""
    entries = [{"name": f, "kind": "function.py", "source": f"py://{name}:{f}"} for f in functions]
    return load(directory, {f"{name}.py": SOURCE}, entries)


async def test_arguments_and_results_are_converted_by_annotation(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "priced", "price")) as h:
        value = await call(h, "price", ORDER, "red")
        assert value["total"] == "12.5"
        assert value["lines"] == [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}]


async def test_values_without_annotation_pass_as_they_are(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "plainly", "plain", "later")) as h:
        assert await call(h, "plain", 1, 1.0, None, {"a": []}) == [1, 1.0, None, {"a": []}]
        assert await call(h, "later", 1) == {"n": 2}


@pytest.mark.parametrize(
    ("function", "args", "problem"),
    [
        ("price", [{**ORDER, "lines": [{"sku": 1}]}], r"order\.lines\.0\.sku"),
        ("price", [ORDER, "blue"], "colour"),
        ("price", [], "takes 1 to 2 arguments, not 0"),
        ("later", [1, 2], "takes 1 argument, not 2"),
    ],
)
async def test_arguments_that_do_not_fit_are_invalid(
    tmp_path: Path, function: str, args: list[Any], problem: str
) -> None:
    async with host(registry(tmp_path, "fitting", "price", "later")) as h:
        with pytest.raises(Error, match=problem) as caught:
            await call(h, function, *args)
    assert caught.value.kind == INVALID
    assert "pydantic" not in caught.value.message + str(caught.value.details)


async def test_a_function_knows_who_called_it(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "knowing", "thread"), node="n1") as h:
        main, pid, sender, context, entry = await call(h, "thread", context={"tenant": "a"}, sender="{w|1}")
    assert main is False
    assert pid.startswith("{app:thread@n1|")
    assert (sender, context, entry) == ("{w|1}", {"tenant": "a"}, "app:thread")


async def test_an_activity_heartbeats_and_has_a_key(tmp_path: Path) -> None:
    activity = Recorded()
    async with host(registry(tmp_path, "keyed", "key")) as h:
        assert await call(h, "key", activity=activity) == "w/r/1"
    assert activity.beats == [{"at": 1}]


async def test_a_handler_sees_its_request_and_shapes_its_response(tmp_path: Path) -> None:
    request = HttpRequest("GET", "/tea", "h", "", {}, {}, {}, b"")
    response = HttpResponse()
    async with host(registry(tmp_path, "paging", "page")) as h:
        assert await call(h, "page", request=request, response=response) == "/tea"
    assert response.status == 418


async def test_an_error_a_function_raises_passes_as_it_is(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "declining", "declined")) as h:
        with pytest.raises(Error) as caught:
            await call(h, "declined")
    assert caught.value.to_wire() == {
        "kind": "Declined", "message": "no funds", "retryable": False, "details": {"code": 5}
    }  # fmt: skip


async def test_other_exceptions_are_internal_and_show_nothing_of_the_host(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "breaking", "broken", "leaky", "opaque")) as h:
        with pytest.raises(Error) as broken:
            await call(h, "broken")
        with pytest.raises(Error) as leaky:
            await call(h, "leaky")
        with pytest.raises(Error) as opaque:
            await call(h, "opaque")
    shelf = r"app:broken failed: ValueError: no such shelf \(breaking\.py:\d+, in broken\)"
    assert (broken.value.kind, bool(re.fullmatch(shelf, broken.value.message))) == (INTERNAL, True)
    file = r"app:leaky failed: FileNotFoundError \(breaking\.py:\d+, in leaky\)"
    assert (leaky.value.kind, bool(re.fullmatch(file, leaky.value.message))) == (INTERNAL, True)
    assert opaque.value.kind == INTERNAL
    assert opaque.value.message.startswith("app:opaque returned a object that has no JSON form")
    assert opaque.value.message.endswith("; return text, numbers, booleans, lists and dicts, or a model of pydantic")


ENDINGS = """
    import asyncio
    import sys

    class Mute(Exception):
        def __str__(self):
            raise ValueError("no text")

    def exits(): sys.exit(3)
    async def exits_later(): sys.exit(3)
    def interrupts(): raise KeyboardInterrupt
    async def interrupts_later(): raise KeyboardInterrupt
    def stops(): return next(iter(()))
    async def stops_later(): return next(iter(()))
    def mute(): raise Mute
    def bare(): raise BaseException("bare")
    def cancels(): raise asyncio.CancelledError
    async def cancels_later(): raise asyncio.CancelledError("as if")
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exits", "SystemExit: 3"),
        ("exits_later", "SystemExit: 3"),
        ("interrupts", "KeyboardInterrupt"),
        ("interrupts_later", "KeyboardInterrupt"),
        ("stops", "StopIteration"),
        ("stops_later", "StopIteration"),
        ("mute", "Mute"),
        ("bare", "BaseException: bare"),
        ("cancels", "CancelledError"),
        ("cancels_later", "CancelledError: as if"),
    ],
)
async def test_no_exception_of_a_function_ends_more_than_its_call(name: str, said: str, tmp_path: Path) -> None:
    entries = [{"name": name, "kind": "function.py", "source": f"py://endings:{name}"}]
    async with host(load(tmp_path, {"endings.py": textwrap.dedent(ENDINGS)}, entries)) as h:
        with pytest.raises(Error) as caught:
            await call(h, name)
        expected = rf"app:{name} failed: {said} \(endings\.py:\d+, in {name}\)"
        assert (caught.value.kind, bool(re.fullmatch(expected, caught.value.message))) == (INTERNAL, True), caught.value
        assert caught.value.is_retried


async def test_bytes_travel_as_bytes(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "reversing", "blob")) as h:
        answer = await h.call("app:blob", [Payload.of(b"\xff\x00")])
    assert answer == Payload.of(b"\x00\xff")


async def test_a_coroutine_is_cancelled_with_its_call(tmp_path: Path) -> None:
    async with host(registry(tmp_path, "endless", "forever")) as h:
        running = asyncio.create_task(call(h, "forever"))
        await pids(h)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(Error) as caught:
            await call(h, "forever", timeout=0.01)
        await eventually(lambda: not h.running)
    assert caught.value.kind == TIMEOUT


async def test_a_thread_that_does_not_end_holds_nothing_up(tmp_path: Path) -> None:
    from_source = registry(tmp_path, "sticking", "stuck")
    async with host(from_source, grace=0.0) as h:
        with pytest.raises(Error) as caught:
            await call(h, "stuck", timeout=0.01)
        assert not h.running
    assert caught.value.kind == TIMEOUT


async def test_lua_calls_python(tmp_path: Path) -> None:
    name = "called"
    entries = [{"name": "later", "kind": "function.py", "source": f"py://{name}:later"}]
    lua = 'return function() local v, err = funcs.call("app:later", "x") return { v, err:kind(), funcs.call("app:later", 4).n } end'
    async with host(load(tmp_path, {f"{name}.py": SOURCE, "calls.lua": lua.replace("{ v, ", "{ ")}, entries)) as h:
        assert await call(h, "calls") == [INVALID, 5]


async def test_the_function_that_the_page_shows_works(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "python-functions.md"
    [source] = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    entries = [{"name": "price", "kind": "function.py", "source": "py://shown_prices:price"}]
    async with host(load(tmp_path, {"shown_prices.py": source}, entries)) as h:
        assert await call(h, "price", {"sku": "a", "quantity": 2}) == {
            "sku": "a", "total": 10, "currency": "EUR", "key": None
        }  # fmt: skip
        with pytest.raises(Error, match="no 200 of a"):
            await call(h, "price", {"sku": "a", "quantity": 200})
