"""PIDs as text: what is one, and of what."""

from __future__ import annotations

import socket

import pytest

from runtime.process.pids import Pid, new_node


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("{app:worker|order-1}", Pid("app:worker", "order-1")),
        ("{app:worker|a|b}", Pid("app:worker", "a|b")),
        ("{a queue|{x}}", Pid("a queue", "{x}")),
        ("{app:processes@node|7}", Pid("app:processes@node", "7")),
        ("{x|y}", Pid("x", "y")),
    ],
)
def test_a_pid_is_read_as_it_was_written(text: str, pid: Pid) -> None:
    assert Pid.parse(text) == pid
    assert str(pid) == text


@pytest.mark.parametrize(
    "text", ["", "{", "}", "{}", "name", "{name}", "{|x}", "{x|}", "x|y", "{x|y", "x|y}", "[x|y]", "{x|yz", "xy|z}"]
)
def test_other_text_is_none(text: str) -> None:
    assert Pid.parse(text) is None


@pytest.mark.parametrize(
    ("place", "id", "node"),
    [
        ("app:processes@node-1", "7", "node-1"),
        ("app:processes@node", "12345", "node"),
        ("app:processes@node", "order", None),
        ("app:processes@node", "-7", None),
        ("app:processes", "7", None),
        ("processes@node", "7", None),
        ("a:b:c@node", "7", None),
        ("app:processes@one@two", "7", None),
        ("app:processes@", "7", None),
        ("app:@node", "7", None),
        (":processes@node", "7", None),
    ],
)
def test_only_a_numbered_entry_at_a_node_is_a_process(place: str, id: str, node: str | None) -> None:
    assert Pid(place, id).node == node


def test_no_two_nodes_have_the_same_name() -> None:
    names = [new_node() for _ in range(100)]
    assert len(set(names)) == 100
    assert {len(name) for name in names} == {len(names[0])}


@pytest.mark.parametrize(
    ("host", "begins"), [("box_1.local", "box-1.local-"), ("a  b", "a-b-"), ("", "host-"), ("x" * 200, "x" * 100 + "-")]
)
def test_a_node_is_named_after_its_machine_as_a_pid_can_have_it(
    monkeypatch: pytest.MonkeyPatch, host: str, begins: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    name = new_node()
    assert name.startswith(begins)
    assert len(name) == len(begins) + 8
    assert Pid(f"app:processes@{name}", "1").node == name
