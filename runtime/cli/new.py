from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.common import Cli, command
from runtime.errors import already_exists

_REGISTRY = """\
version: "1.0"
namespace: app
root: ..
entries:
  - {name: temporal, kind: temporal.client, address: "${env:TEMPORAL_ADDRESS|localhost:7233}"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: app}
  - {name: http, kind: http.service, addr: "127.0.0.1:8080"}

  - name: hello
    kind: workflow.lua
    source: file://entries/hello.lua
    modules: [funcs, time]
    meta: {temporal: {workflow: {worker: worker}}}

  - name: greet
    kind: function.lua
    source: file://entries/greet.lua
    meta:
      temporal: {activity: {worker: worker}}
      options: {activity.start_to_close_timeout: 10s}
"""

_HELLO = """\
local funcs = require("funcs")
local time = require("time")

-- Starts with one argument, e.g. {"name": "Ada"}; survives a crash at any line.
local function main(input)
    local greeting, err = funcs.call("app:greet", input and input.name or "world")
    if err then
        return nil, err
    end
    time.sleep("2s")
    return { greeting = greeting }
end

return { main = main }
"""

_GREET = """\
-- An activity: may do anything; is retried when it fails.
local function main(name)
    return "Hello, " .. name .. "!"
end

return { main = main }
"""

_TEST = """\
local test = require("test")

-- `evermoon test`: no server, and a sleep takes no time.
return test.describe("hello", function()
    test.it("greets by name", function()
        local run = test.start({ entry = "app:hello", args = { { name = "Ada" } } })
        test.equal(run:result(), { greeting = "Hello, Ada!" })
    end)

    test.it("passes a failure of its activity on", function()
        local run = test.start({
            entry = "app:hello",
            functions = {
                ["app:greet"] = function() return nil, errors.new(errors.INVALID, "no such name") end,
            },
        })
        test.fails({ errors.INVALID, "no such name" }, run:result())
    end)
end)
"""

_FILES = {
    Path("config/registry.yaml"): _REGISTRY,
    Path("entries/hello.lua"): _HELLO,
    Path("entries/greet.lua"): _GREET,
    Path("entries/hello_test.lua"): _TEST,
    Path(".gitignore"): ".evermoon/\n",
}


@click.command("new")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@command
def new(cli: Cli, directory: Path) -> None:
    """Write a first workflow and its registry to DIR. Nothing that exists is changed."""
    taken = [str(path) for path in _FILES if (directory / path).exists()]
    if taken:
        raise already_exists(f"{directory} has {', '.join(taken)} already")
    for path, text in _FILES.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    cli.emit({"directory": str(directory), "files": [str(path) for path in _FILES]}, lambda: _next_steps(directory))


def _next_steps(directory: Path) -> None:
    click.echo(f"wrote {', '.join(str(path) for path in _FILES)} to {directory}")
    click.echo(f"next:  cd {directory} && evermoon test && evermoon dev")
    click.echo("""then:  evermoon start app:hello '{"name": "Ada"}' --wait""")
