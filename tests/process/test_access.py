"""What a scope is asked about. A command that is in no list is asked about; one that is not has to be named here too."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.lua.protocol import Command
from runtime.modules.catalogue import COMMANDS
from runtime.process.authorization import OWN, asked, of_pid
from runtime.process.command_handlers import OPERATIONS
from runtime.temporal.workflow.commands.handlers import HANDLERS

#: Commands with which nobody can do anything to anybody else.
HARMLESS = {
    "timer", "cancel", "log", "status", "attrs", "handler", "update_accepted", "update_done", "unmonitor", "unlink",
    "activity.heartbeat", "activity.is_canceled", "http.flush", "http.set", "http.write", "http_body.read", "http_body.read_all",
    "events.next", "events.unsubscribe", "queue.settle", "sql.end", "sql.savepoint",
    "security.can", "security.evaluate", "security.find", "security.policies",
}  # fmt: skip
#: Those that ask by themselves, because they know more names, or more places, than their fields tell.
THEMSELVES = {"env.get", "env.get_all", "env.set", "http_client.request"}
#: Of a response that was asked for.
OPENED = {"http_client.close", "http_client.read"}


def command(op: str, **fields: Any) -> Command:
    return Command(op, 1, None, {"id": "app:x", "to": "{app:worker|x}", "name": "n", "topic": "t", **fields})


def test_every_command_that_reaches_out_is_asked_about() -> None:
    commands = {*OPERATIONS, *HANDLERS, *COMMANDS}
    silent = {op for op in commands if not list(asked(command(op), of_pid))}
    assert silent - HARMLESS - THEMSELVES - OPENED == set()


def test_what_is_harmless_is_not() -> None:
    assert [op for op in sorted(HARMLESS | OPENED) if list(asked(command(op), of_pid))] == []
    assert OWN >= HARMLESS


def test_a_command_that_nobody_has_thought_of_is_asked_about() -> None:
    [item] = asked(Command("novel.thing", 1, None, {}), of_pid)
    assert (item.action, list(item.resources)) == ("novel.thing", ["novel.thing"])


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
