"""The values of locals, as whoever watches a run is told them."""

from __future__ import annotations

from typing import Any

from tests.support import host


def locals_of(script: str) -> list[dict[str, str]]:
    """By frame what each local has, of the first coroutine where it waits."""
    virtual = host(script)
    try:
        virtual.start()
        stack: Any = virtual.query("__lua_stack", "locals")[0]
        assert len(stack["locals"]) == len(stack["frames"])
        return [{item["name"]: item["value"] for item in frame} for frame in stack["locals"]]
    finally:
        virtual.close()


def test_each_frame_has_those_that_are_declared_there() -> None:
    inner, outer = locals_of(
        "local function wait(n)\nlocal text = 'a\\nb'\nprocess.inbox():receive()\nlocal later = 1 return later\nend\n"
        "return function()\nlocal total, none = 2.5, nil\nwait(7)\nreturn total\nend"
    )
    assert inner == {"n": "7", "text": '"a\\nb"'}
    assert outer == {"total": "2.5", "none": "nil"}


def test_tables_are_told_in_one_order_and_cut_short() -> None:
    [frame] = locals_of(
        "return function()\nlocal order = { 1, 'two', sku = 'tea', ['a b'] = true, deep = { deeper = { deepest = {} } } }\n"
        "local many = {} for i = 1, 100 do many[i] = i end\nlocal round = {} round.self = round\nprocess.inbox():receive()\nreturn order, many, round\nend"
    )
    assert frame["order"] == '{1, "two", ["a b"] = true, deep = {deeper = {…}}, sku = "tea"}'
    assert frame["many"] == "{1, 2, 3, 4, 5, 6, 7, 8, … 92 more}"
    assert frame["round"] == "{self = {self = {…}}}"


def test_texts_are_cut_between_characters_and_bytes_are_counted() -> None:
    [frame] = locals_of(
        "return function()\nlocal long, bytes = string.rep('ü', 500), '\\xff\\0'\nprocess.inbox():receive()\nreturn long, bytes\nend"
    )
    assert frame == {"long": f'"{"ü" * 60}" … 1000 bytes', "bytes": "<2 bytes>"}


def test_nothing_of_the_script_is_called_and_objects_say_their_class() -> None:
    [frame] = locals_of(
        "return function()\nlocal trap = setmetatable({}, { __index = error, __tostring = error, __len = error, __pairs = error, __name = 5 })\n"
        "local inbox, err, fn = process.inbox(), errors.new('x'), function() end\ninbox:receive()\nreturn trap, err, fn\nend"
    )
    assert frame["trap"] == "{}"
    assert frame["fn"] == "<function>"
    assert (frame["inbox"], frame["err"]) == ("<channel>", "<error>")


def test_a_coroutine_of_the_scripts_own_shows_its_frames_before_those_that_resumed_it() -> None:
    inner, outer = locals_of(
        "return function()\nlocal outside = 1\nlocal co = coroutine.wrap(function() local inside = 2 process.inbox():receive() return inside end)\n"
        "co()\nreturn outside\nend"
    )
    assert inner == {"inside": "2"}
    assert outer["outside"] == "1"


def test_without_being_asked_for_they_are_not_told() -> None:
    virtual = host("return function() local secret = 1 process.inbox():receive() return secret end")
    try:
        virtual.start()
        assert "locals" not in virtual.query("__lua_stack")[0]
    finally:
        virtual.close()
