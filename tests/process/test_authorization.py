"""What a scope is asked about. A command that is in no list is asked about; one that is not has to be named here too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import PERMISSION_DENIED, Error
from runtime.lua.protocol import Command
from runtime.modules.catalogue import ASKED, COMMANDS
from runtime.principal import Actor, Principal
from runtime.process.authorization import OWN, AccessRequest, asked, check, of_pid
from runtime.process.command_handlers import OPERATIONS
from runtime.temporal.workflow.commands.handlers import HANDLERS
from tests.process.support import load

#: Commands with which nobody can do anything to anybody else.
HARMLESS = {
    "timer", "cancel", "log", "status", "attrs", "handler", "update_accepted", "update_done", "unmonitor", "unlink",
    "activity.heartbeat", "activity.is_canceled", "http.flush", "http.set", "http.write", "http_body.read", "http_body.read_all",
    "events.next", "events.unsubscribe", "publish", "stream.next", "stream.unsubscribe", "queue.settle", "sql.end", "sql.savepoint",
    "security.can", "security.evaluate", "security.find", "security.policies",
}  # fmt: skip
#: Those that ask by themselves, because they know more names, or more places, than their fields tell.
THEMSELVES = {"env.get", "env.get_all", "env.set", "http_client.request"}
#: Of a response that was asked for.
OPENED = {"http_client.close", "http_client.read"}


def command(op: str, **fields: Any) -> Command:
    return Command(
        op, 1, None, {"id": "app:x", "to": "{app:worker|x}", "name": "n", "topic": "t", "run": "r", **fields}
    )


def test_every_command_that_reaches_out_is_asked_about() -> None:
    commands = {*OPERATIONS, *HANDLERS, *COMMANDS}
    silent = {op for op in commands if not list(asked(command(op), of_pid))}
    assert silent - HARMLESS - THEMSELVES - OPENED == set()


def test_what_is_harmless_is_not() -> None:
    assert [op for op in sorted(HARMLESS | OPENED) if list(asked(command(op), of_pid))] == []
    assert OWN >= HARMLESS


def test_a_command_that_nobody_has_thought_of_is_asked_about() -> None:
    for data, resource in (
        ({}, "novel.thing"),
        ({"system": "s"}, "s"),
        ({"system": "s", "name": "n"}, "n"),
        ({"name": "n", "id": "i"}, "i"),
    ):
        [item] = asked(Command("novel.thing", 1, None, data), of_pid)
        assert item == AccessRequest("novel.thing", [resource])


def test_a_module_s_command_that_names_nothing_is_asked_about_by_what_the_module_has() -> None:
    for op, resource in ASKED.items():
        if op == "stream.subscribe":  # names its run always, and is asked about as whoever reads it
            continue
        assert list(asked(Command(op, 1, None, {}), of_pid)) == [AccessRequest(op, [resource])]


def every_name(to: str) -> list[str]:
    return [to, f"also {to}"]


NAMES = ["x", "also x"]
STARTED = [AccessRequest("process.spawn", ["app:f"])]


@pytest.mark.parametrize(
    ("op", "fields", "items"),
    [
        ("call", {}, [AccessRequest("funcs.call", ["app:f"])]),
        ("exec", {}, [AccessRequest("process.exec", ["app:f"])]),
        ("stream.subscribe", {"run": "x"}, [AccessRequest("process.read", NAMES)]),
        ("operation.start", {}, STARTED),
        ("operation.show", {"id": "op-1"}, [AccessRequest("process.read", ["op-1"])]),
        ("operation.await", {"id": "op-1"}, [AccessRequest("process.read", ["op-1"])]),
        ("spawn", {"host": "app:h"}, [AccessRequest("process.spawn", ["app:f"], {"host": "app:h"})]),
        ("spawn", {"host": ""}, STARTED),
        ("call", {"scope": []}, [AccessRequest("funcs.security", ["scope"]), AccessRequest("funcs.call", ["app:f"])]),
        ("spawn", {"actor": {}, "scope": []}, [AccessRequest("process.security", ["actor"]), AccessRequest("process.security", ["scope"]), *STARTED]),
        ("call", {"name": "x", "messages": [{}]}, [AccessRequest("funcs.call", ["app:f"])]),
        ("spawn", {"messages": [{}], "monitor": True, "link": True}, STARTED),
        ("spawn", {"name": "x", "messages": [{}]}, [*STARTED, AccessRequest("process.send", NAMES)]),
        ("spawn", {"name": "x", "monitor": True}, [*STARTED, AccessRequest("process.monitor", NAMES)]),
        ("spawn", {"name": "x", "link": True}, [*STARTED, AccessRequest("process.link", NAMES)]),
        ("spawn", {"name": "y", "options": {"id": "x"}, "link": True}, [*STARTED, AccessRequest("process.link", NAMES)]),
        ("spawn", {"name": "x", "link": True, "options": {"id_conflict_policy": "use_existing"}}, [*STARTED, AccessRequest("process.link", NAMES)]),
        ("spawn", {"name": "x", "link": True, "options": {"id_conflict_policy": "fail"}}, STARTED),
        (
            "spawn", {"name": "x", "messages": [{}], "link": True, "options": {"id_conflict_policy": "terminate_existing"}},
            [*STARTED, AccessRequest("process.terminate", NAMES)],
        ),
        ("send", {"to": "x", "topic": "t"}, [AccessRequest("process.send", NAMES, {"topic": "t"})]),
        ("query", {"to": "x", "name": "n"}, [AccessRequest("process.query", NAMES, {"name": "n"})]),
        ("cancel_process", {"to": "x"}, [AccessRequest("process.cancel", NAMES)]),
        ("terminate", {"to": "x"}, [AccessRequest("process.terminate", NAMES)]),
        ("monitor", {"to": "x"}, [AccessRequest("process.monitor", NAMES)]),
        ("link", {"to": "x"}, [AccessRequest("process.link", NAMES)]),
        ("registry.register", {"name": "n"}, [AccessRequest("process.registry.register", ["n"])]),
        ("registry.lookup", {"name": "n"}, [AccessRequest("process.registry.lookup", ["n"])]),
        ("registry.unregister", {"name": "n"}, [AccessRequest("process.registry.unregister", ["n"])]),
        ("timer", {"id": "app:f", "name": "n"}, []),
    ],
)  # fmt: skip
def test_what_is_asked_names_all_that_it_is_done_to(
    op: str, fields: dict[str, Any], items: list[AccessRequest]
) -> None:
    assert list(asked(Command(op, 1, None, {"id": "app:f", **fields}), every_name)) == items


def test_a_command_is_refused_unless_all_that_it_asks_is_allowed(tmp_path: Path) -> None:
    """The policy says of which action, thing and topic; without a scope nobody is asked."""
    policy = {
        "name": "sends",
        "kind": "security.policy",
        "policy": {
            "actions": "process.send",
            "resources": "*",
            "effect": "allow",
            "conditions": [{"field": "meta.topic", "operator": "eq", "value": "open"}],
        },
    }
    registry = load(tmp_path, {}, [policy])
    nobody, somebody = Principal(), Principal(Actor("ann"), ("app:sends",))
    send = Command("send", 1, None, {"to": "x", "topic": "open"})
    check(registry, somebody, send, every_name)
    for command in (send._replace(data={"to": "x", "topic": "closed"}), send._replace(op="terminate")):
        check(registry, nobody, command, every_name)
        with pytest.raises(Error) as refused:
            check(registry, somebody, command, every_name)
        assert refused.value.kind == PERMISSION_DENIED
    with pytest.raises(Error):
        check(registry, Principal(scope=()), send, every_name)


@pytest.mark.parametrize(
    ("fields", "actions"),
    [
        ({}, ["process.spawn", "process.spawn"]),
        ({"name": None}, ["process.spawn"]),
        ({"messages": [{}]}, ["process.spawn", "process.send"]),
        ({"messages": [{}], "options": {"id_conflict_policy": "fail"}}, ["process.spawn"]),
        ({"options": {"id_conflict_policy": "terminate_existing"}}, ["process.spawn", "process.terminate"]),
        ({"monitor": True, "link": True}, ["process.spawn", "process.monitor", "process.link"]),
        ({"name": None, "options": {"id": "x"}, "link": True}, ["process.spawn", "process.link"]),
        ({"actor": {"id": "x"}, "scope": []}, ["process.security", "process.security", "process.spawn"]),
    ],
)
def test_a_start_asks_for_all_that_it_may_do(fields: dict[str, Any], actions: list[str]) -> None:
    assert list(dict.fromkeys(item.action for item in asked(command("spawn", **fields), of_pid))) == list(
        dict.fromkeys(actions)
    )


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("{app:worker|order-1}", "order-1"),
        ("{anything|a|b}", "a|b"),
        ("{app:processes@node|7}", "{app:processes@node|7}"),
        ("ledger", "ledger"),
    ],
)
def test_a_run_is_known_by_its_id_alone(to: str, name: str) -> None:
    assert of_pid(to) == [name]
