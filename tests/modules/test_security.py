from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import INVALID, NOT_FOUND, PERMISSION_DENIED, Error
from runtime.modules.security.rules import fits
from runtime.principal import Actor, Principal
from tests.process.support import MODULES, PROCESSES, call, function, host, load, process


def policy(name: str, actions: Any, resources: Any, effect: str = "allow", **more: Any) -> dict[str, Any]:
    rule = {"actions": actions, "resources": resources, "effect": effect}
    groups = more.pop("groups", [])
    return {"name": name, "kind": "security.policy", "policy": {**rule, **more}, "groups": groups}


ANN = Actor("ann", {"role": "clerk", "limit": 100})
READERS = policy("readers", "read", "doc:*", groups=["staff"])
WRITERS = policy("writers", ["write", "read"], ["doc:*"], groups=["staff"])
LOCKED = policy("locked", "*", "doc:locked", "deny", groups=["staff"])


async def ask(
    directory: Path, body: str, *args: Any, policies: list[Any] | None = None, principal: Principal | None = None
) -> Any:
    script = function("script", modules=[*MODULES, "security"])
    source = f"return function(...) {body}\nend"
    registry = load(directory, {"script.lua": source}, [script, *(policies or [READERS, WRITERS, LOCKED])])
    async with host(registry) as target:
        return await call(target, "script", *args, principal=principal or Principal())


async def test_nobody_is_restricted_by_nothing(tmp_path: Path) -> None:
    body = 'return { security.actor() == nil, security.scope() == nil, security.can("anything", "at:all") }'
    assert await ask(tmp_path, body) == [True, True, True]


async def test_an_execution_knows_its_actor_and_scope(tmp_path: Path) -> None:
    body = """
        local a, s = security.actor(), security.scope()
        a:meta().role = "changed"
        return { a:id(), a:meta().role, type(a), tostring(a), tostring(s), s:contains("app:writers"), s:contains("app:other") }
    """
    assert await ask(tmp_path, body, principal=Principal(ANN, ("app:staff",))) == [
        "ann", "clerk", "userdata", "security.Actor{ann}", "security.Scope{app:staff}", True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "action", "resource", "allowed"),
    [
        (("app:readers",), "read", "doc:1", True),
        (("app:readers",), "write", "doc:1", False),
        (("app:readers",), "read", "image:1", False),
        (("app:readers", "app:writers"), "write", "doc:1", True),
        (("app:staff",), "write", "doc:1", True),
        (("app:staff",), "write", "doc:locked", False),
        (("app:locked", "app:readers"), "read", "doc:locked", False),
        (("app:readers", "app:locked"), "read", "doc:locked", False),
        ((), "read", "doc:1", False),
        (("app:readers", "app:taken_away"), "read", "doc:1", False),
    ],
)
async def test_a_scope_allows_what_its_policies_allow_and_a_denial_wins(
    tmp_path: Path, scope: tuple[str, ...], action: str, resource: str, allowed: bool
) -> None:
    body = "local ok, err = security.can(...) return { ok, err and err:kind() or '', err and err:message() or '' }"
    ok, kind, message = await ask(tmp_path, body, action, resource, principal=Principal(ANN, scope))
    assert ok is allowed
    if not allowed:
        assert (kind, message) == (PERMISSION_DENIED, f"{action} on {resource} is not allowed to ann")


CONDITIONS: list[tuple[dict[str, Any], bool]] = [
    ({"field": "actor.id", "operator": "eq", "value": "ann"}, True),
    ({"field": "actor.meta.role", "operator": "eq", "value": "clerk"}, True),
    ({"field": "actor.meta.role", "operator": "ne", "value": "clerk"}, False),
    ({"field": "actor.meta.none", "operator": "ne", "value": "clerk"}, True),
    ({"field": "actor.meta.none", "operator": "eq", "value": "clerk"}, False),
    ({"field": "actor.meta.role", "operator": "in", "value": ["clerk", "chief"]}, True),
    ({"field": "actor.meta.role", "operator": "nin", "value": ["clerk"]}, False),
    ({"field": "actor.meta.role", "operator": "matches", "value": "^cl"}, True),
    ({"field": "actor.meta.role", "operator": "nmatches", "value": "^cl"}, False),
    ({"field": "actor.meta.role", "operator": "contains", "value": "ler"}, True),
    ({"field": "meta.tags", "operator": "contains", "value": "a"}, True),
    ({"field": "meta.tags", "operator": "ncontains", "value": "a"}, False),
    ({"field": "actor.meta.limit", "operator": "gte", "value_from": "meta.amount"}, True),
    ({"field": "meta.amount", "operator": "lt", "value": 50}, False),
    ({"field": "meta.amount", "operator": "lt", "value": "9"}, False),
    ({"field": "meta.amount", "operator": "eq", "value": 50.0}, True),
    ({"field": "meta.flag", "operator": "eq", "value": 1}, False),
    ({"field": "meta.deep.er", "operator": "exists"}, True),
    ({"field": "meta.deep.no", "operator": "nexists"}, True),
    ({"field": "resource", "operator": "eq", "value": "doc:1"}, True),
    ({"field": "action", "operator": "eq", "value": "write"}, False),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=lambda item: str(item))
async def test_a_policy_has_a_say_when_its_conditions_hold(
    tmp_path: Path, condition: dict[str, Any], holds: bool
) -> None:
    body = """
        local meta = { amount = 50, tags = { "a" }, flag = true, deep = { er = 0 } }
        return security.policy("app:p"):evaluate(security.actor(), "read", "doc:1", meta)
    """
    rule = policy("p", "read", "doc:*", conditions=[condition])
    said = await ask(tmp_path, body, policies=[rule], principal=Principal(ANN))
    assert said == ("allow" if holds else "undefined")


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("*", "", True), ("a", "a", True), ("a", "A", False), ("a*", "a", True), ("a*c", "abc", True), ("a*a", "a", False),
        ("*b*", "abc", True), ("a*b*c", "a-b-c", True), ("a*b*c", "a-c-b", False), ("a.c", "abc", False),
        ("https://x.com/*", "https://x.com.evil.org/", False),
    ],
)  # fmt: skip
def test_a_star_stands_for_any_text(pattern: str, name: str, does: bool) -> None:
    assert fits(pattern, name) is does


async def test_scopes_are_made_and_changed(tmp_path: Path) -> None:
    body = """
        local function ids(scope)
          local out = {}
          for i, p in ipairs(scope:policies()) do out[i] = p:id() end
          return out
        end
        local readers = security.policy("app:readers")
        local made = security.new_scope({ readers, "app:locked" })
        local said = made:evaluate({ id = "x" }, "read", "doc:1")
        return { ids(made), ids(made:without("app:locked"):with("app:writers")), ids(security.named_scope("app:staff")), said,
          made:evaluate(nil, "read", "doc:locked"), json.encode({ a = made, p = readers, who = security.new_actor("x", { n = 1 }) }) }
    """
    assert await ask(tmp_path, body) == [
        ["app:readers", "app:locked"], ["app:readers", "app:writers"], ["app:readers", "app:writers", "app:locked"],
        "allow", "deny", '{"a":["app:readers","app:locked"],"p":"app:readers","who":{"id":"x","meta":{"n":1}}}',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call_", "kind"),
    [
        ('policy("app:none")', NOT_FOUND), ('policy("app:staff")', NOT_FOUND), ('policy("none")', INVALID),
        ('named_scope("app:readers")', NOT_FOUND), ('named_scope("")', INVALID), ('new_scope({ "app:none" })', NOT_FOUND),
        ('new_actor("")', INVALID), ('can("", "x")', INVALID), ('can("x", "")', INVALID), ('can("x", "y", { z = print })', INVALID),
    ],
)  # fmt: skip
async def test_what_is_not_there_or_will_not_do(tmp_path: Path, call_: str, kind: str) -> None:
    body = f"local v, err = security.{call_} return {{ not v, err:kind(), err:retryable() }}"
    assert await ask(tmp_path, body) == [True, kind, False]


@pytest.mark.parametrize(
    "misuse",
    ["can()", 'can("a", 1)', "new_actor(1)", 'new_actor("a", 1)', "policy({})", "new_scope(1)", "new_scope({ 1 })"],
)
async def test_misuse_raises_at_the_caller_s_line(tmp_path: Path, misuse: str) -> None:
    with pytest.raises(Error, match=r"script\.lua:2: bad argument"):
        await ask(tmp_path, f"\nsecurity.{misuse}")


# What a scope decides


ALLOWED = policy("allowed", ["funcs.call", "process.spawn", "process.exec"], ["app:who", "app:actor"])
SOURCES = {
    "who.lua": """return function()
        local a, s = security.actor(), security.scope()
        return { a and a:id() or "", a and a:meta().role or "", s and tostring(s) or "" }
    end""",
    "actor.lua": 'return function() local m = process.inbox():receive() return { m:topic(), security.actor():id() } end',
    "other.lua": "return function() return 1 end",
}  # fmt: skip


async def act(directory: Path, body: str, *policies: dict[str, Any], principal: Principal | None = None) -> Any:
    listed = [*MODULES, "security"]
    entries = [
        function("script", modules=listed),
        function("who", modules=listed),
        process("actor", modules=listed),
        process("next", modules=listed),
        PROCESSES,
        *(policies or [ALLOWED]),
    ]
    sources = {
        **SOURCES,
        "script.lua": f"return function(...) {body}\nend",
        "next.lua": "return function() return 2 end",
    }
    async with host(load(directory, sources, entries)) as target:
        return await call(target, "script", principal=principal or Principal(ANN, ("app:allowed",)))


async def test_a_callee_acts_for_whom_its_caller_acts_for(tmp_path: Path) -> None:
    body = 'return { funcs.call("app:who"), funcs.async("app:who"):await() }'
    who = ["ann", "clerk", "security.Scope{app:allowed}"]
    assert await act(tmp_path, body) == [who, who]


async def test_a_process_acts_for_whom_it_was_started_for(tmp_path: Path) -> None:
    body = """
        local pid = process.with_message("hello"):spawn_monitored("app:actor", "app:processes")
        return process.events():receive().result.value
    """
    assert await act(tmp_path, body) == ["hello", "ann"]


@pytest.mark.parametrize(
    ("statement", "action", "resource"),
    [
        ('funcs.call("app:other")', "funcs.call", "app:other"),
        ('funcs.async("app:other"):await()', "funcs.call", "app:other"),
        ('process.spawn("app:next", "app:processes")', "process.spawn", "app:next"),
        ('process.exec("app:next", "app:processes")', "process.exec", "app:next"),
        ('process.send("{app:processes@x|1}", "t")', "process.send", "{app:processes@x|1}"),
        ('process.send("{app:worker|order-1}", "t")', "process.send", "order-1"),
        ('process.send("ledger", "t")', "process.send", "ledger"),
        ('process.query("{app:worker|order-1}", "total")', "process.query", "order-1"),
        ('process.cancel("ledger")', "process.cancel", "ledger"),
        ('process.terminate("ledger")', "process.terminate", "ledger"),
        ('process.monitor("ledger")', "process.monitor", "ledger"),
        ('process.link("ledger")', "process.link", "ledger"),
        ('process.registry.register("me")', "process.registry.register", "me"),
        ('process.registry.lookup("me")', "process.registry.lookup", "me"),
        ('process.registry.unregister("me")', "process.registry.unregister", "me"),
        ('process.with_name("x"):with_message("t"):spawn("app:actor", "app:processes")', "process.send", "x"),
        ('process.with_name("x"):spawn_linked("app:actor", "app:processes")', "process.link", "x"),
        ('process.with_name("x"):with_options({ ["workflow.id_conflict_policy"] = "terminate_existing" }):spawn("app:actor", "app:processes")',
            "process.terminate", "x"),
        ('funcs.new():with_actor({ id = "root" }):call("app:who")', "funcs.security", "actor"),
        ('funcs.new():with_scope({}):call("app:who")', "funcs.security", "scope"),
        ('process.with_context({}):with_scope({ "app:all" }):spawn("app:actor", "app:processes")', "process.security", "scope"),
        ('http_client.get("http://api.example.com:81/x/y?q=1")', "http_client.request", "http://api.example.com:81/x/y"),
        ('env.get("HOME")', "env.get", "HOME"),
    ],
)  # fmt: skip
async def test_what_a_scope_does_not_allow_is_refused_by_name(
    tmp_path: Path, statement: str, action: str, resource: str
) -> None:
    body = (
        f"local v, err = {statement} return {{ v == nil, err:kind(), err:retryable(), err:message(), err:details() }}"
    )
    assert await act(tmp_path, body) == [
        True, PERMISSION_DENIED, False, f"{action} on {resource} is not allowed to ann",
        {"action": action, "resource": resource, "actor": "ann"},
    ]  # fmt: skip


async def test_a_rule_about_a_process_holds_under_each_of_its_names(tmp_path: Path) -> None:
    body = """
        local pid = process.with_name("ledger"):spawn("app:actor", "app:processes")
        local _, by_pid = process.send(pid, "t")
        local _, by_name = process.send("ledger", "t")
        local _, ended = process.terminate(pid)
        return { by_pid:kind(), by_name:kind(), ended == nil }
    """
    for named in ("app:actor", "ledger"):
        rules = [
            policy("all", "*", "*", groups=["allowed"]),
            policy("no", "process.send", named, "deny", groups=["allowed"]),
        ]
        assert await act(tmp_path, body, *rules) == [PERMISSION_DENIED, PERMISSION_DENIED, True]


async def test_a_process_may_not_become_what_it_may_not_start(tmp_path: Path) -> None:
    rule = policy("allowed", "process.exec", "*")
    entries = [function("script"), process("upgrades"), process("next"), PROCESSES, rule]
    sources = {
        "script.lua": 'return function() return process.exec("app:upgrades", "app:processes") end',
        "upgrades.lua": 'return function() process.upgrade("app:next") end',
        "next.lua": "return function() return 2 end",
    }
    async with host(load(tmp_path, sources, entries)) as target:
        with pytest.raises(Error) as caught:
            await call(target, "script", principal=Principal(ANN, ("app:allowed",)))
    assert (caught.value.kind, caught.value.message) == (
        PERMISSION_DENIED,
        "process.upgrade on app:next is not allowed to ann",
    )


async def test_whoever_may_hands_over_another_actor_and_scope(tmp_path: Path) -> None:
    body = """
        local limited = funcs.new():with_actor(security.new_actor("bob", { role = "guest" })):with_scope(security.new_scope({ "app:allowed" }))
        return { limited:call("app:who"), funcs.call("app:who"), funcs.new():with_actor({ id = "eve" }):call("app:who") }
    """
    assert await act(tmp_path, body, principal=Principal()) == [
        ["bob", "guest", "security.Scope{app:allowed}"], ["", "", ""], ["eve", "", ""],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ('with_actor("ann")', "raised"), ("with_actor({})", "raised"), ("with_scope('app:x')", "raised"),
        ('with_actor({ id = "" })', INVALID), ('with_scope({ "x" })', INVALID), ("with_scope({ 1 })", INVALID),
    ],
)  # fmt: skip
async def test_what_is_no_actor_and_no_scope(tmp_path: Path, given: str, outcome: str) -> None:
    body = f"""
        local ok, executor, err = pcall(function() return funcs.new():{given} end)
        return not ok and "raised" or err:kind()
    """
    assert await act(tmp_path, body) == outcome
