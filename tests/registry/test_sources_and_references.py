"""Code and entries that are named: found, of the right kind, inside the root, and not in a circle."""

from __future__ import annotations

import pytest

from tests.definitions import with_worker
from tests.registry.support import Files

HEAD = with_worker("""
  - {name: web, kind: http.service}
  - {name: api, kind: http.router, server: web, prefix: /api}
  - {name: fn, kind: function.lua, source: "file://a.lua"}
  - {name: lib, kind: library.lua, source: "file://a.lua"}
""")
LUA = {"a.lua": "return 1"}


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("kind: temporal.worker, client: worker, task_queue: q", "is a temporal.worker, not a temporal.client", "app:temporal"),
        ("kind: http.endpoint, router: web, path: /, func: fn", "is a http.service, not a http.router", "app:api"),
        ("kind: http.endpoint, router: api, path: /, func: lib", "is a library.lua, not a function.lua or function.py", "app:fn"),
        ("kind: http.router, server: wbe", 'server: no entry "app:wbe"', "app:web"),
        ("kind: http.router, server: 'ops:web'", 'server: no entry "ops:web"', "app:web"),
        ("kind: http.endpoint, router: api, path: /, func: zzz", 'func: no entry "app:zzz"', "app:fn"),
        ("kind: http.endpoint, meta: {router: ap}, path: /, func: fn", 'meta.router: no entry "app:ap"', "app:api"),
        ("kind: http.endpoint, path: /, func: fn", 'missing field "router"', None),
        ("kind: library.lua, source: 'file://a.lua', imports: {w: worker}", "imports.w: ", None),
        ("kind: library.lua, source: 'file://a.lua', imports: {me: x}", "imports.me: the entry names itself", None),
        ("kind: http.service, lifecycle: {depends_on: [temporl]}", 'lifecycle.depends_on[0]: no entry "app:temporl"', "app:temporal"),
        ("kind: workflow.lua, source: 'file://a.lua', meta: {temporal: {workflow: {worker: wrker}}}", "no entry", "app:worker"),
        ("kind: function.lua, source: 'file://a.lua', meta: {temporal: {activity: {worker: web}}}", "not a temporal.worker", "app:worker"),
        ("kind: workflow.lua, source: 'file://a.lua', meta: {default_host: web}", "meta.default_host: ", None),
        ("kind: env.variable, variable: V, storage: nope", 'storage: no entry "app:nope"', None),
        ("kind: temporal.worker, client: [a], task_queue: q", "client: expects text", None),
    ],
)  # fmt: skip
def test_a_mistaken_reference(files: Files, entry: str, message: str, hint: str | None) -> None:
    problem = files.problem(HEAD + f"  - {{name: x, {entry}}}\n", LUA)
    assert message in problem.message
    assert problem.line == 9
    if hint:
        assert problem.hint is not None
        assert hint in problem.hint


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("a.lua", '"a.lua" is not a file', 'write "file://a.lua"'),
        ("file://charg.lua", 'no file "charg.lua" below the root', 'did you mean "charge.lua"?'),
        ("file://sub/a.lua", 'no file "sub/a.lua"', 'did you mean "a.lua"?'),
        ("file:///etc/passwd", "leaves the root", None),
        ("file://../x/a.lua", "leaves the root", None),
        ("file://link.lua", "leaves the root", None),
        ('"file://a\\0.lua"', "is not the name of a file", None),
        (f"file://{'x' * 5000}.lua", "is not the name of a file", None),
        ("", "source: expects text, not nothing", None),
        ("file://.", 'no file "."', None),
        ("file://binary.lua", "is not UTF-8 text", None),
    ],
)
def test_a_mistaken_source(files: Files, source: str, message: str, hint: str | None) -> None:
    outside = files.write({"outside.lua": "return 1"})
    files.directory = files.directory / "app"
    files.directory.mkdir()
    (files.directory / "link.lua").symlink_to(outside)
    (files.directory / "charge.lua").write_text("return 1")
    (files.directory / "binary.lua").write_bytes(b"\xff\xfe")
    problem = files.problem(
        f"namespace: app\nentries:\n  - name: x\n    kind: library.lua\n    source: {source}\n", LUA
    )
    assert message in problem.message
    assert problem.line == 5
    if hint:
        assert problem.hint == hint


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("kind: http.endpoint, router: api, path: '/{id', func: fn", "path: expects a path", None),
        ("kind: http.endpoint, router: api, path: '/{rest...}/x', func: fn", "path: expects a path", None),
        ("kind: http.endpoint, router: api, path: '/{a}/{a}', func: fn", "names one parameter twice", None),
        ("kind: http.endpoint, router: api, path: /, func: fn, method: GTE", "method: expects 'GET'", 'did you mean "GET"?'),
        ("kind: http.service, addr: '8080'", "addr: expects an address", None),
        ("kind: http.router, server: web, middleware: [cors, rate]", "middleware[1]: expects 'cors'", None),
        ("kind: temporal.client", "needs either address or profile", None),
        ("kind: temporal.client, address: a, auth: {type: api_key}", "auth: type api_key needs api_key", None),
        ("kind: temporal.client, address: a, search_attributes: {Total: Number}", "search_attributes.Total: expects 'Keyword'", None),
        ("kind: library.lua, source: 'file://a.lua', modules: time", "modules: expects a list", None),
        ("kind: library.lua, source: 'file://a.lua', limits: {instructions: 0}", "limits.instructions: expects a positive", None),
        ("kind: library.lua, source: 'file://a.lua', limits: {memory: 0}", "limits.memory: ", None),
        ("kind: function.lua, source: 'file://a.lua', pool: {size: 0}", "pool.size: ", None),
        ("kind: function.lua, source: 'file://a.lua', activity: {worker: worker}", 'unknown field "activity"', "write it as meta.temporal.activity"),
        ("kind: workflow.lua, source: 'file://a.lua', worker: worker", 'unknown field "worker"', "write it as meta.temporal.workflow.worker"),
        ("kind: function.lua, source: 'file://a.lua', meta: {temporal: {actvity: {}}}", 'unknown field "meta.temporal.actvity"', None),
        ("kind: function.lua, source: 'file://a.lua', meta: {temporal: {activity: {worker: worker, locl: true}}}", 'unknown field "meta.temporal.activity.locl"', 'did you mean "local"?'),
        ("kind: workflow.lua, source: 'file://a.lua', input_schema: {type: objekt}", "input_schema: not a JSON Schema", None),
    ],
)  # fmt: skip
def test_a_mistaken_field(files: Files, entry: str, message: str, hint: str | None) -> None:
    problem = files.problem(HEAD + f"  - {{name: x, {entry}}}\n", LUA)
    assert message in problem.message
    if hint:
        assert problem.hint == hint


def test_a_secret_is_not_repeated(files: Files) -> None:
    problem = files.problem(
        "namespace: app\nentries:\n  - {name: t, kind: temporal.client, address: a, auth: {api_key: 12345}}\n"
    )
    assert problem.message == "auth.api_key: expects text"


def test_imports_may_not_go_round_in_a_circle(files: Files) -> None:
    text = """
    namespace: app
    entries:
      - {name: a, kind: library.lua, source: "file://a.lua", imports: {b: b}}
      - {name: b, kind: library.lua, source: "file://a.lua", imports: {c: c}}
      - {name: c, kind: library.lua, source: "file://a.lua", imports: {a: a}}
    """
    problem = files.problem(text, LUA)
    assert problem.entry_id == "app:c"
    assert problem.message.endswith("imports go round in a circle: app:a → app:b → app:c → app:a")


def test_two_workflows_of_one_type(files: Files) -> None:
    text = """
    namespace: app
    entries:
      - {name: a, kind: workflow.lua, source: "file://a.lua"}
      - {name: b, kind: workflow.lua, source: "file://a.lua", meta: {temporal: {workflow: {name: "app:a"}}}}
    """
    assert '"app:a" is also the type of app:a' in files.problem(text, LUA).message


def test_one_path_may_have_several_methods_but_each_once(files: Files) -> None:
    route = "  - {{name: {0}, kind: http.endpoint, router: api, method: {1}, path: '/x/{{{2}}}', func: fn}}\n"
    fine = route.format("one", "GET", "id") + route.format("two", "POST", "id")
    files.load(HEAD + fine, LUA)
    problem = files.problem(HEAD + fine + route.format("three", "GET", "other"), LUA)
    assert "GET /api/x/{other} is also answered by app:one" in problem.message
