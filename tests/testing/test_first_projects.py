"""The projects that somebody begins with: what `evermoon new` writes, and what getting started makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.cli.shell import evermoon

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"
FILES = re.compile(r"^```(?:lua|python|yaml) (\S+/?\S*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
TRIP = """\
local test = require("test")
local ANN = { name = "ann", seats = 2, nights = 3 }

local function started(trip) return test.start({ entry = "NS:trip", args = { trip } }) end

return test.describe("a trip, with nothing answered for it", function()
  test.it("is confirmed", function()
    local run = started(ANN)
    test.equal(run:query("state"), "waiting for confirmation")
    run:send("confirm", { by = "bob" })
    test.equal(run:result(), { hold = "hold-ann", room = 12, price = 270, confirmed_by = "bob" })
  end)
  test.it("is too long", function()
    test.fails({ "NoRoom", retryable = false, "no room for 8 nights" }, started({ name = "eve", seats = 1, nights = 8 }):result())
  end)
  test.it("has too many seats", function()
    test.fails({ errors.INVALID, "no boat has 7 seats" }, started({ name = "eve", seats = 7, nights = 1 }):result())
  end)
  test.it("has no nights", function() test.fails({ errors.INVALID, "trip.nights" }, started({ name = "eve", seats = 1 }):result()) end)
  test.it("is confirmed by nobody", function()
    local run = started(ANN)
    run:advance("23h")
    test.equal(run.state, "running")
    test.fails({ errors.TIMEOUT, "nobody confirmed" }, run:result())
  end)
end)
"""


def new(directory: Path) -> Path:
    made = evermoon(directory, "new", "boats")
    assert made.status == 0, made.err
    return directory / "boats"


def test_a_new_project_passes_its_tests(tmp_path: Path) -> None:
    done = evermoon(new(tmp_path), "test", "--json")
    assert done.status == 0, done.out
    assert [item["ok"] for item in done.json["tests"]] == [True, True]


def test_the_functions_of_getting_started_are_called_as_they_are(tmp_path: Path) -> None:
    project = new(tmp_path)
    for name, text in FILES.findall(PAGE.read_text()):
        if not name.startswith(("test_", "worker")):
            (project / name).write_text(text)
    namespace = yaml.safe_load((project / "config" / "registry.yaml").read_text())["namespace"]
    (project / "entries" / "trip_test.lua").write_text(TRIP.replace("NS:", f"{namespace}:"))
    done = evermoon(project, "test", "entries/trip_test.lua", "--json")
    assert done.status == 0, done.out
    printed = [item["printed"] for item in done.json["tests"]]
    assert [len(lines) for lines in printed] == [0, 1, 0, 1, 1]
    assert printed[1] == ["entries/seats.lua:13: released the seats of eve"]
