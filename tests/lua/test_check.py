"""Mistakes in scripts are found when the registry is loaded, all at once, at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.lua.check import lua_checks
from runtime.registry import Registry, RegistryError
from tests.definitions import with_worker

REGISTRY = with_worker("""
  - name: broken
    kind: workflow.lua
    source: file://broken.lua
    meta: {temporal: {workflow: {worker: worker}}}
  - name: impure
    kind: workflow.lua
    source: file://good.lua
    modules: [http_client, jsom, txt]
    meta: {temporal: {workflow: {worker: worker}}}
  - name: through
    kind: workflow.lua
    source: file://good.lua
    imports: {lib: lib}
    meta: {temporal: {workflow: {worker: worker}}}
  - {name: lib, kind: library.lua, source: "file://good.lua", modules: [env]}
  - name: slow
    kind: function.lua
    source: file://good.lua
    meta: {options: {activity.start_to_close_timeout: soon}}
""")


def problems(folder: Path, text: str) -> list[str]:
    (folder / "registry.yaml").write_text(text)
    (folder / "broken.lua").write_text("local x = 1\nreturn function( end\n")
    (folder / "good.lua").write_text("return function() end\n")
    with pytest.raises(RegistryError) as caught:
        Registry.load(folder / "registry.yaml", environ={}, checks=[lua_checks])
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_all_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, REGISTRY)
    assert len(found) == 6
    assert found[0] == "broken.lua:2: app:broken: the script does not compile: <name> or '...' expected near 'end'"
    assert found[1].startswith("registry.yaml:9: app:impure: module 'http_client' cannot be used in a workflow")
    assert "unknown module 'jsom'; did you mean 'json'?" in found[2]
    assert "registry.yaml:9: app:impure: unknown module 'txt'; did you mean 'text'?" in found[3]
    assert "app:through: module 'env' cannot be used in a workflow (through app:lib)" in found[4]
    assert "app:slow: meta.options" in found[5]
    assert '"soon"' in found[5] or "'soon'" in found[5]


def test_stream_may_be_listed_for_the_streams_of_http_but_by_no_workflow(tmp_path: Path) -> None:
    text = """namespace: app
entries:
  - {name: reads, kind: function.lua, source: file://good.lua, modules: [http, stream]}
  - {name: runs, kind: workflow.lua, source: file://good.lua, modules: [stream]}
"""
    assert ["app:runs: module 'stream' cannot be used in a workflow" in said for said in problems(tmp_path, text)] == [
        True
    ]


NOTED = with_worker("""
  - name: order
    kind: workflow.lua
    source: file://order.lua
    method: run
    modules: [funcs, process]
    imports: {sums: sums}
    meta: {temporal: {workflow: {worker: worker}}}
  - {name: charge, kind: function.lua, source: "file://charge.lua"}
  - {name: sums, kind: library.lua, source: "file://sums.lua"}
  - {name: computed, kind: function.lua, source: "file://computed.lua", method: handle}
""")
ORDER = """\
local funcs = require("funcs")
total = 0
local order = {}
function order.run(id)
  funcs.call("app:charg", id)
  funcs.new():with_options({}):async("app:charge", id)
  process.spawn("app:order", "app:worker")
  total = total + sums(id)
  prnt(total, json.encode(id))
  return require("yaml"), string.format("app:%s", id)
end
return order
"""


def test_only_what_can_be_called_is_suggested_for_a_call(tmp_path: Path) -> None:
    entries = [
        "{name: order, kind: function.lua, source: file://order.lua, modules: [funcs]}",
        "{name: charge, kind: function.lua, source: file://charge.lua}",
        "{name: xcharg, kind: library.lua, source: file://charge.lua}",
    ]
    (tmp_path / "registry.yaml").write_text(
        "namespace: app\nentries:\n" + "".join(f"  - {entry}\n" for entry in entries)
    )
    (tmp_path / "order.lua").write_text('return function() return funcs.call("app:charg") end')
    (tmp_path / "charge.lua").write_text("return function() end")
    [note] = Registry.load(tmp_path / "registry.yaml", environ={}, checks=[lua_checks]).notes
    assert note.hint == "did you mean 'app:charge'?"


def test_notes_on_what_loads(tmp_path: Path) -> None:
    (tmp_path / "order.lua").write_text(ORDER)
    (tmp_path / "charge.lua").write_text("return { main = function() return math.sin(1) end }")
    (tmp_path / "sums.lua").write_text("return function(x) return math.sin(x) + x ^ 2 + math.sqrt(x)\n+ x ^ 0.5 end")
    (tmp_path / "computed.lua").write_text("local made = {} made['han' .. 'dle'] = print return made")
    (tmp_path / "registry.yaml").write_text(NOTED)
    registry = Registry.load(tmp_path / "registry.yaml", environ={}, checks=[lua_checks])
    assert {note.severity for note in registry.notes} == {"note"}
    assert [str(note).replace(f"{tmp_path}/", "") for note in registry.notes] == [
        "computed.lua:1: app:computed: note: the name of its method, 'handle', is nowhere in the script; "
        "the script must return a function, or a table with a function 'handle'",
        "order.lua:5: app:order: note: no entry of the registry is 'app:charg'; did you mean 'app:charge'?",
        "order.lua:9: app:order: note: undefined global 'json' reads as nil; list it in modules:",
        "order.lua:9: app:order: note: undefined global 'prnt' reads as nil; did you mean 'print'?",
        "order.lua:10: app:order: note: require('yaml') will raise: it is listed neither in modules: nor in imports:",
        "sums.lua:1: app:sums: note: the last bits of math.sin differ between machines: "
        "round before they decide what a run does (see evermoon docs determinism)",
        "sums.lua:2: app:sums: note: the last bits of '^' differ between machines: "
        "round before they decide what a run does (see evermoon docs determinism)",
    ]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("return { main = function() end }", "the table it returns has no 'run'"),
        ("local run = 1", "it returns nothing"),
        ("function main() end", "it returns nothing"),
    ],
)
def test_a_missing_entry_point_stops_the_load(source: str, problem: str, tmp_path: Path) -> None:
    for name in ("order", "charge", "sums", "computed"):
        (tmp_path / f"{name}.lua").write_text("return function() end")
    (tmp_path / "order.lua").write_text(source)
    (tmp_path / "registry.yaml").write_text(NOTED)
    with pytest.raises(RegistryError) as caught:
        Registry.load(tmp_path / "registry.yaml", environ={}, checks=[lua_checks])
    errors = [item for item in caught.value.problems if item.severity == "error"]
    assert [(item.entry_id, item.line) for item in errors] == [("app:order", 5)]
    assert f"order.lua has no entry point: {problem}" in errors[0].message


SHARED = """\
namespace: app
entries:
  - {name: temporal, kind: temporal.client, address: "localhost:7233", search_attributes: {Customer: Keyword}}
  - {name: worker, kind: temporal.worker, client: temporal, task_queue: q}
  - {name: order, kind: workflow.lua, source: "file://order.lua", modules: [workflow], meta: {temporal: {workflow: {worker: worker}}}}
  - {name: one, kind: function.lua, source: "file://both.lua", method: one}
  - {name: two, kind: function.lua, source: "file://both.lua", method: two}
"""
LATE = "local function main()\n  return undo()\nend\nlocal function undo() end\nreturn main\n"


def shared(folder: Path, order: str, both: str, *, strict: bool = False) -> Registry:
    (folder / "registry.yaml").write_text(SHARED)
    (folder / "order.lua").write_text(order)
    (folder / "both.lua").write_text(both)
    return Registry.load(folder / "registry.yaml", environ={}, checks=[lua_checks], strict=strict)


BOTH = "local t = {}\nfunction t.one() return prnt(prnt) end\nfunction t.two() return prnt() end\nreturn t"


def test_a_name_that_a_later_local_declares_is_a_problem_that_stops_only_the_strict(tmp_path: Path) -> None:
    text = "`undo` is a local declared at line 4; move it above `main`"
    [problem] = shared(tmp_path, LATE, "return { one = print, two = print }").notes
    assert (problem.line, problem.entry_id, problem.message, problem.severity) == (2, "app:order", text, "problem")
    with pytest.raises(RegistryError) as caught:
        shared(tmp_path, LATE, "return { one = print, two = print }", strict=True)
    assert f"order.lua:2: app:order: {text}" in caught.value.message


def test_a_file_of_several_entries_is_noted_once_and_each_line_of_it(tmp_path: Path) -> None:
    notes = shared(tmp_path, "return function() end", BOTH).notes
    assert [(note.line, note.entry_id) for note in notes] == [(2, "app:one"), (3, "app:one")]


def test_search_attributes_that_no_client_declares_are_noted(tmp_path: Path) -> None:
    order = """return function(name)
      workflow.attrs({ search = { Customer = name, Custommer = name }, memo = { Other = 1 } })
      local extra = { Region = 1 }
      return workflow.attrs{ memo = {}, search = {
        Area = { "a" },
      } }
    end"""
    notes = shared(tmp_path, order, "return { one = print, two = print }").notes
    assert [(note.line, note.message, note.hint) for note in notes] == [
        (2, 'search attribute "Custommer" is not declared by app:temporal', 'did you mean "Customer"?'),
        (
            5,
            'search attribute "Area" is not declared by app:temporal',
            "add it to search_attributes of app:temporal, with its type",
        ),
    ]
