"""The arrows of the architecture: `cli → app → {http, temporal, testing} → process → {lua, kernel} → modules → contracts → registry → errors`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import runtime

ROOT = Path(runtime.__file__).parent

#: Layers from the bottom up. A layer may import itself and those before it; layers of one rank may not import each other.
RANKS = (
    {"errors", "late"},
    {"payload", "durations", "backoff", "resources"},
    {"limits"},
    {"principal"},
    {"settings", "registry"},
    {"contracts"},
    {"modules"},
    {"lua"},
    {"process"},
    {"http", "temporal", "testing"},
    {"loading"},
    {"app"},
    {"", "cli"},
)
RANK = {layer: rank for rank, layers in enumerate(RANKS) for layer in layers}

#: A third-party library that only one layer may know.
CONFINED = {"lupa": "lua", "temporalio": "temporal", "aiohttp.web": "http"}

PUBLIC = ["Error", "LuaPlugin", "Registry", "Runtime"]


@dataclass(frozen=True)
class Import:
    """One import, also one for type checkers only, or one that comes late: an arrow is an arrow."""

    importer: str  # module name without "runtime.", "" for the package itself
    target: str
    line: int
    in_function: bool

    def __str__(self) -> str:
        return f"runtime.{self.importer}:{self.line} imports {self.target}"


def layer(module: str) -> str:
    return module.split(".")[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, ast.Module]:
    return {module_name(path): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}


MODULES = modules()


def imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    def walk(node: ast.AST, in_function: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            function = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for target in targets(child):
                yield Import(module, target, child.lineno, function)  # type: ignore[attr-defined]
            yield from walk(child, function)

    return walk(tree, False)


def targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        base = node.module or ""
        return [resolve(base, alias.name) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "late" and isinstance(node.args[0], ast.Constant):
        return [str(node.args[0].value)]  # an import like another, only later
    return []


def resolve(base: str, name: str) -> str:
    """`from a import b`: `a.b` when that is a module of ours or a confined library, else `a`."""
    dotted = f"{base}.{name}"
    ours = dotted.removeprefix("runtime.") if dotted.startswith("runtime.") else None
    return dotted if ours in MODULES or dotted in CONFINED else base


IMPORTS = [found for name, tree in MODULES.items() for found in imports_of(name, tree)]
FIRST_PARTY = [found for found in IMPORTS if found.target == "runtime" or found.target.startswith("runtime.")]


def target_module(found: Import) -> str:
    return found.target.removeprefix("runtime").removeprefix(".")


def test_every_layer_has_a_rank() -> None:
    assert {layer(name) for name in MODULES} <= RANK.keys()


def test_arrows_never_point_back() -> None:
    def is_back(found: Import) -> bool:
        here, there = layer(found.importer), layer(target_module(found))
        return here != there and RANK[there] >= RANK[here]

    assert [str(found) for found in FIRST_PARTY if is_back(found)] == []


def test_no_first_party_import_inside_a_function() -> None:
    assert [str(found) for found in FIRST_PARTY if found.in_function] == []


def test_a_library_is_only_imported_in_its_folder() -> None:
    strays = [
        str(found)
        for found in IMPORTS
        for library, home in CONFINED.items()
        if (found.target == library or found.target.startswith(library + ".")) and layer(found.importer) != home
    ]
    assert strays == []


def test_the_protobuf_types_of_the_sdk_core_stay_in_one_room() -> None:
    strays = [
        str(found)
        for found in IMPORTS
        if found.target.startswith("temporalio.bridge") and not found.importer.startswith("temporal.workflow")
    ]
    assert strays == []


def test_the_environment_is_only_read_in_settings() -> None:
    readers = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    assert readers <= {"settings"}


def test_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in FIRST_PARTY:
        if target_module(found) != found.importer:
            graph[found.importer].add(target_module(found))
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_what_is_imported_late_goes_by_the_name_that_type_checkers_see() -> None:
    def late_names(tree: ast.Module) -> set[str]:
        assigned = [
            node for node in ast.walk(tree) if isinstance(node, ast.Assign) and "late(" in ast.unparse(node.value)
        ]
        return {name.id for node in assigned for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)}

    strays = {
        name: sorted(late_names(tree) - {alias.asname or alias.name for alias in _aliases(tree)})
        for name, tree in MODULES.items()
        if name != "late"
    }
    assert {name: names for name, names in strays.items() if names} == {}


def _aliases(tree: ast.Module) -> Iterator[ast.alias]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from node.names


def test_public_names() -> None:
    assert sorted(runtime.__all__) == PUBLIC
    assert all(hasattr(runtime, name) for name in PUBLIC)
