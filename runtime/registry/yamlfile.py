"""The reader of YAML text, which gives plain values and the line of each, with YAML 1.2's idea of scalars.

PyYAML's own constructor keeps no lines, lets a later key overwrite an earlier one, and reads `no`, `010` and `1:30` as
YAML 1.1 did. So a tree of nodes is made (`yamlloaders`) and walked here. Aliases are expanded, up to `MAX_VALUES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from runtime.registry.yamldepth import is_too_deep
from runtime.registry.yamlloaders import MAX_DEPTH, TAG, TOO_DEEP, Loader, TooLarge, quick_node

MAX_VALUES = 100_000

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    line: int
    message: str
    hint: str | None = None


@dataclass(slots=True)
class Document:
    """A YAML file that was read. `value` is what the file says (None when it cannot be read); `lines` has the line of each path inside it."""

    value: Any = None
    lines: dict[Steps, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Steps) -> int:
        """The line of the value at `path`, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Never raises: what cannot be read is a fault of the document."""
    document = Document()
    try:
        node = quick_node(text) or yaml.compose(text, Loader=Loader)
    except TooLarge as error:
        document.faults.append(Fault(error.line, error.message))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        message = TOO_DEEP if is_too_deep(text, error, MAX_DEPTH) else f"not YAML: {message}"
        document.faults.append(Fault(mark.line + 1 if mark else 1, message))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.faults.append(Fault(line, f"not YAML: {error.reason} (U+{ord(text[error.position]):04X})"))
    except (yaml.YAMLError, ValueError) as error:
        document.faults.append(Fault(1, f"not YAML: {error}"))
    else:
        if node is not None:
            _Walk(document).document(node)
    return document


def read_value(text: str) -> Any:
    """One value written as YAML, as in ``-o ns:entry:path=value``. Raises ValueError saying why it is not."""
    document = read(text)
    if document.faults:
        raise ValueError(document.faults[0].message)
    return document.value


class _Walk:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0
        self._depth = 0

    def document(self, node: yaml.Node) -> None:
        try:
            self._document.value = self._value(node, ())
        except TooLarge as error:
            self._document.value = None
            self._document.faults.append(Fault(error.line, error.message))

    def _value(self, node: yaml.Node, path: Steps) -> Any:
        self._count += 1
        self._depth += 1
        try:
            return self._read(node, path)
        finally:
            self._depth -= 1

    def _read(self, node: yaml.Node, path: Steps) -> Any:
        line: int = node.start_mark.line + 1
        if self._count > MAX_VALUES:
            raise TooLarge(line, f"aliases expand to more than {MAX_VALUES} values")
        if self._depth > MAX_DEPTH:
            raise TooLarge(line, f"{TOO_DEEP}, or an alias that holds itself")
        self._document.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        self._fault(line, f"the tag {node.tag} is not supported")
        return None

    def _mapping(self, node: yaml.MappingNode, path: Steps) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(line, "a key must be text")
            elif key_node.tag == TAG + "merge":
                merged.extend(value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node])
            elif key_node.value in values:
                first = self._document.lines[(*path, key_node.value)]
                self._fault(line, f'"{key_node.value}" is given twice', f"the first is on line {first}")
            else:
                self._document.lines[(*path, key_node.value)] = line
                values[key_node.value] = self._value(value_node, (*path, key_node.value))
        for other in merged:
            self._merge(other, path, values)
        return values

    def _merge(self, node: yaml.Node, path: Steps, values: dict[str, Any]) -> None:
        own, self._document.lines = self._document.lines, {}
        try:
            merged = self._value(node, path)
        finally:
            there, self._document.lines = self._document.lines, own
        if not isinstance(merged, Mapping):
            self._fault(node.start_mark.line + 1, '"<<" takes a mapping or a list of mappings')
            return
        for key, value in merged.items():
            if key not in values:
                values[key] = value
                own[(*path, key)] = there[(*path, key)]

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(TAG)
        try:
            match kind:
                case "str" | "merge":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 16) if text.startswith("0x") else int(text)
                case "float":
                    return float(text)
        except ValueError:
            self._fault(line, f"not a value of type {kind}: {text[:40]!r}")
            return None
        self._fault(line, f"the tag {node.tag} is not supported")
        return None

    def _fault(self, line: int, message: str, hint: str | None = None) -> None:
        self._document.faults.append(Fault(line, message, hint))
