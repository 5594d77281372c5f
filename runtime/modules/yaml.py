"""yaml: text to and from JSON's data model, by YAML 1.2's core schema (`yes` is text, `010` is ten, a date is text).

Bounded before anything is built: aliases count as what they stand for, so a few lines cannot become a billion values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from runtime.errors import Error, internal, invalid
from runtime.modules.definition import DETERMINISTIC, ModuleDef
from runtime.registry.yamldepth import is_too_deep

MAX_TEXT = 1024 * 1024  # bytes
MAX_DEPTH = 128
MAX_VALUES = 100_000

_TOO_DEEP = f"YAML is nested deeper than {MAX_DEPTH}"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_CORE: Mapping[str, tuple[re.Pattern[str], str]] = {
    "null": (re.compile(r"~|null|Null|NULL|"), "~nN\0"),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    "int": (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), "-+0123456789"),
    "float": (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), "-+.0123456789"),
}


_KEY_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in _CORE)


def encode(text: bytes) -> str:
    """Raises `Error` INVALID for more values than can be decoded again."""
    value = json.loads(text)
    _count_plain(value)
    dumped: str = yaml.dump(value, Dumper=_CoreDumper, allow_unicode=True, sort_keys=False)
    return dumped.removesuffix("...\n")


def _count_plain(value: Any) -> None:
    waiting, values = [value], 0
    while waiting:
        item = waiting.pop()
        values += 1
        if isinstance(item, dict):
            values += len(item)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        if values > MAX_VALUES:
            raise invalid(f"YAML would hold more than {MAX_VALUES} values")


def decode(text: bytes) -> str:
    """One document, as JSON. Raises `Error`: INVALID for no text, too much, or what JSON has no form for; INTERNAL for text that is not YAML."""
    if not text.strip():
        raise invalid("empty YAML text")
    if len(text) > MAX_TEXT:
        raise invalid(f"YAML text is longer than {MAX_TEXT} bytes")
    try:
        source = text.decode()
        _check_size(source)
        loader = _CoreLoader(source)
        try:
            node = loader.get_single_node()
            _count(node, {})
            _keys_as_text(node, set())
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError) as error:
        raise internal(f"not YAML: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark
        return error.problem + (f" at line {mark.line + 1}" if mark is not None else "")
    return "a value that JSON has no form for" if not isinstance(error, yaml.YAMLError) else "unreadable text"


def _check_size(source: str) -> None:
    """Before nodes are composed: that recurses, in C, and costs the most."""
    depth = values = 0
    for event in _events(source):
        values += isinstance(event, yaml.NodeEvent)
        if values > MAX_VALUES:
            raise invalid(f"YAML holds more than {MAX_VALUES} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise invalid(_TOO_DEEP)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _events(source: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(source, Loader=_Loader)
    except yaml.YAMLError as error:
        if is_too_deep(source, error, MAX_DEPTH):
            raise invalid(_TOO_DEEP) from error
        raise


def _count(node: Any, known: dict[int, int]) -> int:
    """How many values a node stands for, aliases written out. Raises `Error` INVALID above the bound or for a cycle."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if known.get(id(node)) == 0:
        raise invalid("YAML value contains itself")
    if id(node) not in known:
        known[id(node)] = 0
        pairs = [item for pair in node.value for item in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_count(item, known) for item in pairs)
    if known[id(node)] > MAX_VALUES:
        raise invalid(f"YAML stands for more than {MAX_VALUES} values")
    return known[id(node)]


def _keys_as_text(node: Any, seen: set[int]) -> None:
    """A plain key is the text that stands there: `1` and `true` would be one key to Python."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    items = node.value
    if isinstance(node, yaml.MappingNode):
        items = [item for _, item in node.value]
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag in _KEY_TAGS:
                key.tag = "tag:yaml.org,2002:str"
    for item in items:
        _keys_as_text(item, seen)


def _plain(value: Any) -> Any:
    """Binary as text where it is text; sets and other tagged values have no JSON form."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    return value


def _integer(loader: Any, node: Any) -> int:
    text = str(node.value)
    try:
        number = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        str(number)  # as JSON has it
    except ValueError:
        raise _without_form(node, "a number too long or none") from None
    return number


def _float(loader: Any, node: Any) -> float:
    try:
        number = float(node.value)
    except ValueError:
        raise _without_form(node, "no number") from None
    if not math.isfinite(number):
        raise _without_form(node, "a number too large")
    return number


def _refused(loader: Any, node: Any) -> None:
    raise _without_form(node, f"a value of the tag !!{node.tag.rpartition(':')[2]}")


def _without_form(node: Any, what: str) -> Error:
    return invalid(f"YAML has {what} at line {node.start_mark.line + 1}, which JSON has no form for")


class _CoreLoader(_Loader):  # type: ignore[misc]  # chosen at run time
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


class _CoreDumper(_Dumper):  # type: ignore[misc]  # chosen at run time
    """Quotes what a YAML 1.1 reader would take for something other than text, as the library does by itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, (_pattern, _first) in _CORE.items():
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", _whole, [*_first.rstrip("\0")] + [""] * ("\0" in _first)
    )
_CoreLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])
for _name in ("timestamp", "set", "omap", "pairs"):
    _CoreLoader.add_constructor(f"tag:yaml.org,2002:{_name}", _refused)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_CoreLoader.add_constructor("tag:yaml.org,2002:float", _float)

MODULE = ModuleDef(
    name="yaml",
    classes=frozenset({DETERMINISTIC}),
    summary="YAML text",
    functions={"yaml.encode": encode, "yaml.decode": decode},
)
