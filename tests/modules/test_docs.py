"""docs/modules: every module has a page, everything a script finds is on it, and the workflow snippets print what they show.

A `lua` snippet is the body of a workflow's main, `lua function` that of a function on the process host. `-->` says what a line prints. Comments of the form `-- a client: query
"name" 1 --> 2` (or signal, update, cancel) are carried out in order once the run waits; `-- fails: Kind: message` says
how it ends. The snippets of the host modules run in `test_pages.py`, those of `time` in `test_time.py`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runtime import errors
from runtime.errors import Error
from runtime.modules.catalogue import MODULES
from runtime.modules.definition import DETERMINISTIC, HOST, PURE, WORKFLOW
from runtime.testing import VirtualHost
from tests.docs.pages import ROOT, Block, blocks, shown
from tests.modules.test_pages import NAMES as HOST_PAGES
from tests.process.support import PROCESSES, Lines, call, function, load, process
from tests.process.support import host as process_host
from tests.support import host, run

PAGES = ROOT / "docs" / "modules"
#: Pages about the language as a whole.
CHAPTERS = ["programs", "values", "cancellation"]
NAMES = sorted(set(MODULES) - {"print"})
ELSEWHERE = {*HOST_PAGES, "time"}
SNIPPETS = [
    block
    for name in [*NAMES, *CHAPTERS]
    if name not in ELSEWHERE
    for block in blocks(f"docs/modules/{name}.md")
    if block.language == "lua"
]
WORKFLOWS = [block for block in SNIPPETS if not block.info]
#: ```lua function: the body of a function on the process host.
FUNCTION_BODIES = [block for block in SNIPPETS if block.info == "function"]
LISTED = [name for name, module in MODULES.items() if HOST not in module.classes]

#: Where the methods of API objects are defined, by page.
METHODS = {
    "funcs": ["modules/funcs", "modules/launching", "kernel/future"],
    "process": ["modules/process", "modules/launching", "kernel/mailbox"],
    "channel": ["kernel/channel"],
    "errors": ["kernel/errors"],
    "payload": ["kernel/payload"],
    "logger": ["modules/logger"],
    "saga": ["modules/saga"],
    "expr": ["modules/expr/init"],
    "text": ["modules/text/init"],
    "http": ["modules/http/request", "modules/http/response"],
    "http_client": ["modules/http_client/init"],
    "security": ["modules/security/init", "modules/security/objects"],
    "time": ["modules/time/value", "modules/time/timer", "modules/time/span", "modules/time/location"],
}
_DIRECTIVE = re.compile(
    r'^-- a client: (query|signal|update|cancel) "([^"]*)"(?: (?!-->)(.*?))?(?: --> (.*))?$', re.MULTILINE
)
_FAILS = re.compile(r"^-- fails: (\w+): (.*)$", re.MULTILINE)


def _declined(*_: Any) -> Any:
    raise Error("CardDeclined", "insufficient funds", retryable=False, details={"limit": 100})


FUNCTIONS: dict[str, Any] = {
    "shop:reserve": lambda order: {"id": f"r-{order}"},
    "shop:release": lambda *_: True,
    "shop:charge": lambda order, amount: {"payment": f"p-{order}", "amount": amount},
    "shop:decline": _declined,
    "shop:refund": lambda *_: True,
    "shop:price": lambda sku: {"tea": 4, "coffee": 7}.get(sku, 0),
}
CHILDREN: dict[str, Any] = {"shop:ship": lambda order: f"parcel for {order}", "shop:lose": _declined}


def ask(virtual: VirtualHost, what: str, name: str, given: str, expected: str | None) -> None:
    args = json.loads(f"[{given}]")
    if what == "cancel":
        virtual.cancel(name)
    elif what == "signal":
        virtual.send(name, *args)
    else:
        answer = virtual.query(name, *args) if what == "query" else virtual.update(name, *args)
        assert answer == json.loads(expected or "null")


def follow(block: Block, virtual: VirtualHost) -> None:
    failure = _FAILS.search(block.text)
    virtual.start()
    for what, name, given, expected in _DIRECTIVE.findall(block.text):
        ask(virtual, what, name, given, expected or None)
    if failure is None:
        virtual.finish()
        return
    with pytest.raises(Error) as caught:
        virtual.finish()
    assert (caught.value.kind, str(caught.value)) == (failure[1], failure[2])


@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_a_snippet_prints_what_its_page_says(block: Block) -> None:
    virtual = host(
        f"return function(...) {block.text}\nend",
        modules=LISTED,
        functions=FUNCTIONS,
        children=CHILDREN,
        context={"tenant": "acme", "user": {"name": "ann"}},
        info={"workflow_id": "order-7", "run_id": "r-1", "workflow_type": "shop:order", "attempt": 1},
        libraries={"prices": "return {tea = 4}"},
    )
    try:
        follow(block, virtual)
        virtual.replay()
        printed = [command.data["message"] for command in virtual.commands if command.op == "log"]
        assert printed == shown(_DIRECTIVE.sub("", block.text))
    finally:
        virtual.close()


@pytest.mark.parametrize("block", FUNCTION_BODIES, ids=str)
async def test_a_function_prints_what_its_page_says(tmp_path: Path, block: Block) -> None:
    sources = {
        "shown.lua": f"return function() {block.text} end",
        "price.lua": "return function(sku) return ({tea = 4, coffee = 7})[sku] end",
        "counter.lua": "return function(n) return n + process.inbox():receive():payload():data() end",
    }
    lines = Lines()
    registry = load(tmp_path, sources, [function("shown", modules=LISTED), process("counter"), PROCESSES])
    async with process_host(registry, log=lines) as target:
        await call(target, "shown")
    assert [message for _, message, _ in lines.seen] == shown(block.text)


@pytest.mark.parametrize("name", [*NAMES, *CHAPTERS])
def test_every_page_has_a_snippet(name: str) -> None:
    assert [block for block in blocks(f"docs/modules/{name}.md") if block.language == "lua"]


_FOUND = """
local found = {}
local function walk(t)
  for key, value in pairs(t) do
    found[#found + 1] = key
    if type(value) == 'table' and key:upper() ~= key then walk(value) end
  end
end
local module = require(...)
if type(module) == 'table' then walk(module) end
return found
"""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_everything_a_script_finds_is_on_the_page(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    found = run(_FOUND, name, modules=LISTED)
    assert [key for key in found if not re.search(rf"\b{key}\b", page)] == []


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_on_the_page(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    methods = {
        method
        for source in METHODS[name]
        for method in re.findall(
            r"^\s*(?:function \w*methods[:.]|\w*methods\.)([a-z]\w*)",
            (ROOT / "runtime" / f"{source}.lua").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }
    assert sorted(method for method in methods if not re.search(rf"\b{method}\b", page)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_the_class_and_the_index_lists_it(name: str) -> None:
    [kind] = MODULES[name].classes
    words = {DETERMINISTIC: "*deterministic*", WORKFLOW: "*workflow*", HOST: "*host only*", PURE: "*pure*"}
    assert f"Class: {words[kind]}" in (PAGES / f"{name}.md").read_text(encoding="utf-8")
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    [row] = re.findall(rf"^\| {re.escape(words[kind])} \|.*$", index, re.MULTILINE)
    assert f"[{name}]({name}.md)" in row


def test_chapters_are_in_the_index() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert [name for name in CHAPTERS if f"({name}.md)" not in index] == []


def test_the_table_of_kinds_is_what_happens() -> None:
    page = (PAGES / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `\"?(\w*)\"*` \| (yes|no) \| (\d+) \| .+ \|$", page, re.MULTILINE)
    assert sorted(kind for _, kind, _, _ in rows) == sorted(errors.KINDS)
    for constant, kind, retried, status in rows:
        assert getattr(errors, constant) == kind
        assert Error(kind, "").is_retried is (retried == "yes")
        assert Error(kind, "").http_status == int(status)


def test_builtin_functions_of_expressions_are_on_their_page() -> None:
    page = (PAGES / "expr.md").read_text(encoding="utf-8")
    sources = [(ROOT / "runtime" / "modules" / "expr" / f"{name}.lua").read_text() for name in ("builtins", "strings")]
    names = {name for source in sources for name in re.findall(r'(?:define|chosen|entries)\("(\w+)"', source)}
    assert len(names) > 40
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", page)) == []
