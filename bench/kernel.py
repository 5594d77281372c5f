"""The kernel alone: interpreters, iteration, JSON, the budget."""

from __future__ import annotations

import json
from collections.abc import Callable

import lupa.lua54 as lupa

from bench.measure import Row, compare
from runtime.lua import protocol
from runtime.lua.session import Session
from runtime.lua.shadow import ShadowSession
from runtime.payload import Payload
from runtime.testing import program_from_source

_ORDER = {
    "id": "o-1",
    "customer": "ann",
    "items": [{"sku": f"sku-{n}", "quantity": n, "price": 1.5 * n} for n in range(20)],
    "note": "leave it with the neighbours " * 8,
}


def rows() -> list[Row]:
    text = json.dumps(_ORDER).encode()
    bare = "return function() return 1 end"
    waits = "return function(...) local n = 0 while true do process.inbox():receive() n = n + 1 end end"
    plain_loop = "local n, t = 0, {} for i = 1, 20000 do t[i] = i end for i = 1, #t do n = n + t[i] end return n"
    pairs_loop = plain_loop.replace("for i = 1, #t do n = n + t[i] end", "for _, v in pairs(t) do n = n + v end")
    keyed = "local n, t = 0, {} for i = 1, 2000 do t['k' .. i] = i end for _, v in pairs(t) do n = n + v end return n"
    return [
        compare("a run from nothing to its result", _fresh(bare), "an empty lupa interpreter", _interpreter),
        compare("a step: one message in", _message(waits), "json.loads of 1.2 KB", lambda: json.loads(text)),
        compare("the step under shadow execution", _message(waits, ShadowSession), "without", _message(waits)),
        compare("a run under shadow execution", lambda: _run(bare, [], ShadowSession), "without", _fresh(bare)),
        compare("20,000 items by pairs", _script(pairs_loop), "by a numeric for", _script(plain_loop)),
        compare("2,000 string keys, sorted pairs", _script(keyed), "unsealed Lua", _unsealed(keyed)),
        *(
            compare(f"{what}, walked 2,000 times", _script(body), "unsealed Lua", _unsealed(body))
            for what, body in (
                ("an array of 10", _walks("t[i] = i", 10)),
                ("4 string keys", _walks("t['k' .. i] = i", 4)),
                ("16 string keys", _walks("t['k' .. i] = i", 16)),
            )
        ),
        compare("arithmetic under the budget", _script(_SUM), "unsealed Lua", _unsealed(_SUM)),
        compare("1.2 KB of JSON in and out", _echo(text), "json.loads and dumps", lambda: json.dumps(json.loads(text))),
    ]


def _walks(fill: str, size: int) -> str:
    return f"local n, t = 0, {{}} for i = 1, {size} do {fill} end for _ = 1, 2000 do for _, v in pairs(t) do n = n + v end end return n"


_SUM = "local n = 0 for i = 1, 1000000 do n = n + i % 7 end return n"


_BOOT = {"class": "workflow", "pid": "", "seed": 1, "ctx": {}, "info": {}}


def _run(source: str, args: list[Payload], kind: type[Session] = Session) -> None:
    session = kind(program_from_source(source), _BOOT)
    batch = session.step([protocol.start(args)], protocol.Clock(now=0))
    session.close()
    if batch.state != "done":
        raise RuntimeError(f"the script {batch.state}: {batch.error}")


def _fresh(source: str) -> Callable[[], None]:
    return lambda: _run(source, [])


def _script(body: str) -> Callable[[], None]:
    return _fresh(f"return function() {body} end")


def _echo(text: bytes) -> Callable[[], None]:
    return lambda: _run("return function(...) return ... end", [Payload("json/plain", text)])


def _message(source: str, kind: type[Session] = Session) -> Callable[[], protocol.Batch]:
    session = kind(program_from_source(source), _BOOT)
    session.step([protocol.start([])], protocol.Clock(now=0))
    event = protocol.message("tick", "", [Payload.of(1)])
    return lambda: session.step([event], protocol.Clock(now=1))


def _interpreter() -> object:
    return lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)


def _unsealed(body: str) -> Callable[[], object]:
    def run() -> object:
        return lupa.LuaRuntime(encoding=None).execute(body.encode())

    return run
