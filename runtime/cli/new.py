from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from runtime.cli.common import Cli, command
from runtime.errors import already_exists
from runtime.registry.files import NAMESPACE

_REGISTRY = """\
version: "1.0"
namespace: "NAMESPACE"
root: ..
entries:
  - {name: temporal, kind: temporal.client, address: "${env:TEMPORAL_ADDRESS|localhost:7233}"}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: "NAMESPACE"}
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
    local greeting, err = funcs.call("NAMESPACE:greet", input and input.name or "world")
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
        local run = test.start({ entry = "NAMESPACE:hello", args = { { name = "Ada" } } })
        test.equal(run:result(), { greeting = "Hello, Ada!" })
    end)

    test.it("passes a failure of its activity on", function()
        local run = test.start({
            entry = "NAMESPACE:hello",
            functions = {
                ["NAMESPACE:greet"] = function() return nil, errors.new(errors.INVALID, "no such name") end,
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


#: In the texts above, for the namespace of the project.
_NAMESPACE = "NAMESPACE"


@click.command("new")
@click.argument("directory", metavar="NAME", type=click.Path(file_okay=False, path_type=Path))
@click.option("--namespace", metavar="NS", help="The namespace of its entries, and its task queue.  [default: NAME]")
@command
def new(cli: Cli, directory: Path, namespace: str | None) -> None:
    """Write a first workflow and its registry to the directory NAME.

    NAME, or the last part of it, is also the namespace of the project's entries and its task queue, so that no two projects mix.
    Nothing that exists is changed.
    """
    name = _namespace(directory, namespace)
    taken = [str(path) for path in _FILES if (directory / path).exists()]
    if taken:
        raise already_exists(f"{directory} has {', '.join(taken)} already")
    for path, text in _FILES.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(_NAMESPACE, name))
    document = {"directory": str(directory), "namespace": name, "files": [str(path) for path in _FILES]}
    cli.emit(document, lambda: _next_steps(directory, name))


def _namespace(directory: Path, given: str | None) -> str:
    """The one given, else the name of the directory with what no namespace may have made dashes."""
    name = given or re.sub(r"[^A-Za-z0-9_.]+", "-", directory.resolve().name).strip("-.")
    if NAMESPACE.fullmatch(name):
        return name
    what = f"{name!r} is no namespace" if given else f"{str(directory)!r} makes no namespace"
    raise click.BadParameter(f"{what}: letters, digits, _ - and . are allowed; name one with --namespace")


def _next_steps(directory: Path, name: str) -> None:
    click.echo(f"wrote {', '.join(str(path) for path in _FILES)} to {directory}")
    click.echo(
        f"next:  {'' if directory == Path() else f'cd {shlex.quote(str(directory))} && '}evermoon test && evermoon dev"
    )
    click.echo(f"""then:  evermoon start {name}:hello '{{"name": "Ada"}}' --wait""")
