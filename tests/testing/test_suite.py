from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import Error
from runtime.registry import Registry
from runtime.testing import Suite, find


def suite(directory: Path, text: str) -> Suite:
    (directory / "registry.yaml").write_text("{namespace: app, entries: []}")
    (directory / "some_test.lua").write_text(text)
    return Suite(Registry.load(directory / "registry.yaml", environ={}), find(directory))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("return function( end", "some_test.lua:1"),
        ("-- modules: http_client\nreturn test.describe('x', print)", "http_client"),
        ("-- modules: nonsense\nreturn test.describe('x', print)", "nonsense"),
        ("-- imports: x=app:nobody\nreturn test.describe('x', print)", "app:nobody"),
        ("-- imports: nobody\nreturn test.describe('x', print)", "alias=namespace:name"),
        ("-- hosts: mars\nreturn test.describe('x', print)", "mars"),
        ("return 5", "function"),
        ("return function() return 5 end", "test.describe"),
        ("return test.describe('x', function() test.it('y', {oops = 1}, print) end)", "oops"),
    ],
)
def test_a_broken_file_is_one_clear_message(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Error, match=said):
        suite(tmp_path, text).cases  # noqa: B018  # listing runs the body of the file


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("test.equal(1, 1.0)", "expected 1.0, got 1"),
        ("test.equal({a = {1, 2}}, {a = {1, 3}})", "expected 3, got 2 at .a[2]"),
        ("test.equal({a = 1, b = 2}, {a = 1})", "expected nil, got 2 at .b"),
        ("test.equal(1, 2, 'sum')", "sum: expected 2, got 1"),
        ("test.differ({1}, {1})", "something else than {1}"),
        ("test.truthy(nil, 'why')", "expected a value, got nil (why)"),
        ("test.contains('abc', 'x')", 'expected text with "x", got "abc"'),
        ("test.contains(errors.new('no'), 'x')", 'expected text with "x", got "no"'),
        ("test.fails('Invalid', 5)", 'expected an error of kind "Invalid", got 5, nil'),
        ("test.fails('Invalid', nil, errors.new('Conflict', 'no'))", 'got kind "Conflict"'),
        ("test.fails({'Conflict', retryable = true}, nil, errors.new('Conflict', 'no'))", "expected retryable true"),
        ("test.fails({'Conflict', 'yes'}, nil, errors.new('Conflict', 'no'))", 'an error with "yes"'),
        ("test.refuses('Conflict', nil, errors.new('Conflict', 'no'))", "expected false and an error"),
        ("test.raises('x', print)", 'expected it to raise "x"'),
        ("test.raises('x', function() error('y') end)", 'it raised "some_test.lua:2: y"'),
        ("test.raises('x', function() error('x: here', 0) end)", "expected the error at a line of"),
        ("test.fail('never')", "never"),
        ("error('oops')", "oops"),
        ("process.inbox():receive()", "waits for a message"),
        ("channel.new():receive()", "all coroutines are blocked"),
    ],
)
def test_a_failed_expectation_says_what_and_where(tmp_path: Path, body: str, said: str) -> None:
    tests = suite(tmp_path, f"return test.describe('some', function() test.it('fails', function()\n{body}\nend) end)")
    outcome = tests.run(tests.cases[0])
    assert not outcome.ok
    assert said in outcome.message
    assert outcome.message.startswith(("some_test.lua:2", "some_test.lua:1"))


def test_every_case_has_an_execution_of_its_own(tmp_path: Path) -> None:
    text = """
    count = 0
    return test.describe('counting', function()
      for i = 1, 3 do
        test.it('starts anew ' .. i, function()
          count = count + 1
          test.equal(count, 1)
        end)
      end
    end)
    """
    tests = suite(tmp_path, text)
    assert [tests.run(case).ok for case in tests.cases] == [True, True, True]
    assert [case.name for case in tests.cases] == [f"counting / starts anew {n}" for n in (1, 2, 3)]


NUDGES = """
local funcs, time = require("funcs"), require("time")

return function()
  local ticker, over, first = time.ticker("24h"), time.after("100h"), time.timer("25h")
  first:stop()
  while true do
    local picked = channel.select({ over:case_receive(), ticker:channel():case_receive() })
    if picked.channel == over then return end
    funcs.call("app:nudge", os.time())
  end
end
"""
NUDGED = """
local test = require("test")

return test.describe('time', function()
  test.it('stands still while the test answers, and a timer that was stopped does not move it', function()
    local days = {}
    local function nudge(at) days[#days + 1] = at // 3600 // 24 end
    local run = test.start({ entry = "app:nudges", functions = { ["app:nudge"] = nudge } })
    run:advance("23h")
    run:advance("2h")
    test.equal(#days, 1)
    run:advance("60h")
    test.equal({ days[2] - days[1], days[3] - days[2], #days }, { 1, 1, 3 })
    run:advance("15h")
    test.equal({ run.state, #days }, { "done", 4 })
  end)
end)
"""


def test_time_passes_between_the_calls_of_a_run_and_not_during_them(tmp_path: Path) -> None:
    (tmp_path / "some_test.lua").write_text(NUDGED)
    (tmp_path / "nudges.lua").write_text(NUDGES)
    entries = "[{name: nudges, kind: workflow.lua, source: 'file://nudges.lua', modules: [funcs, time]}]"
    (tmp_path / "registry.yaml").write_text(f"{{namespace: app, entries: {entries}}}")
    tests = Suite(Registry.load(tmp_path / "registry.yaml", environ={}), find(tmp_path))
    outcome = tests.run(tests.cases[0])
    assert outcome.ok, outcome.message


def test_hidden_directories_are_not_searched(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "theirs_test.lua").write_text("return 5")
    (tmp_path / "mine_test.lua").write_text("return 5")
    assert [file.name for file in find(tmp_path)] == ["mine_test"]
