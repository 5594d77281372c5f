"""What a script returns that is an object of the API: it means something, or the refusal says what to hand over instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import runtime
from runtime.errors import INVALID, conflict
from tests.support import fail, host, main, run

ROOT = Path(runtime.__file__).parent


def test_a_future_that_is_returned_is_waited_for() -> None:
    functions = {"app:tea": lambda: {"cups": 2}}
    assert run('return require("funcs").async("app:tea")', functions=functions) == {"cups": 2}


def test_the_failure_of_a_future_that_is_returned_is_the_programs() -> None:
    def out() -> None:
        raise conflict("out of stock")

    error = fail('return require("funcs").async("app:tea")', functions={"app:tea": out})
    assert (error.kind, error.message) == ("Conflict", "out of stock")


def test_an_error_beside_a_future_is_the_programs() -> None:
    body = 'return require("funcs").async("app:tea"), errors.new(errors.INVALID, "no")'
    assert fail(body, functions={"app:tea": lambda: 1}).message == "no"


def test_a_message_that_is_returned_is_what_it_brought() -> None:
    virtual = host(main('return process.listen("go", { message = true }):receive()'))
    try:
        virtual.start()
        virtual.send("go", {"cups": 2})
        assert virtual.outcome() == {"cups": 2}
    finally:
        virtual.close()


@pytest.mark.parametrize(
    ("object", "instead"),
    [
        ('require("saga").new()', "saga:compensate()"),
        ('require("funcs").new()', "executor:call(id, ...)"),
        ("channel.new()", "channel:receive()"),
        ('{ later = require("funcs").async("app:tea") }', "future:await()"),
    ],
)
def test_what_means_nothing_outside_the_script_is_refused_with_what_to_hand_over(object: str, instead: str) -> None:
    error = fail(f"return {object}", functions={"app:tea": lambda: 1})
    assert error.kind == INVALID
    assert "cannot leave the script; hand over" in error.message
    assert instead in error.message


def test_an_argument_that_means_nothing_elsewhere_is_refused_before_anything_is_called() -> None:
    called = []
    body = """
        local funcs, saga = require("funcs"), require("saga").new()
        local later = funcs.async("app:tea")
        local _, err = funcs.call("app:tea", later)
        local added, refused = saga:add("app:tea", later)
        return { err:kind(), err:message(), added == nil, refused:message(), saga:compensate() }
    """
    kind, message, added, refused, *_ = run(body, functions={"app:tea": lambda *args: called.append(args)})
    assert (kind, added) == (INVALID, True)
    assert "future:await()" in message
    assert "argument 1 of 'app:tea'" in refused
    assert set(called) == {()}


def test_every_class_of_the_api_has_a_form_outside_or_something_to_hand_over_instead() -> None:
    hints = set(re.findall(r'^    (?:\["([^"]+)"\]|(\w+)) = ', (ROOT / "kernel/instead.lua").read_text(), re.MULTILINE))
    known = {quoted or plain for quoted, plain in hints}
    classes = {
        name
        for folder in ("kernel", "modules")
        for file in (ROOT / folder).rglob("*.lua")
        for name in re.findall(r'K\.class\("([^"]+)", [^\n]*\{\}\)', file.read_text())
    }
    assert classes - known == {"null"}  # which is written as it is
