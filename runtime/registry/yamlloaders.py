"""YAML text → nodes, by PyYAML's parser or, where that is sure to be the same, by libyaml's, which is twenty times as fast.

libyaml takes a little more than PyYAML and says otherwise what it does not take. So whatever it refuses is read again by PyYAML,
whose words people see, and text with characters that the two see differently is not given to it at all.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MAX_DEPTH = 60
TOO_DEEP = f"nested more than {MAX_DEPTH} deep"
TAG = "tag:yaml.org,2002:"

#: Tabs, tags, question marks, byte order marks, separators that only YAML 1.1 breaks lines at, and what may not be there at all.
_DOUBTFUL = re.compile("[^\\r\\n -~\\u00a1-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\U00010000-\\U0010ffff]|[!?]")


class TooLarge(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line, self.message = line, message


class _Composer(yaml.composer.Composer):
    """Counts levels while nodes are composed, which recurses."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth == MAX_DEPTH:
            here: Any = self.peek_event()  # type: ignore[attr-defined] # of the parser it is mixed with
            raise TooLarge(here.start_mark.line + 1, TOO_DEEP)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class Loader(_Composer, yaml.SafeLoader):
    """PyYAML's."""


#: libyaml's parser, where PyYAML was built with it.
_CParser: Any = yaml.cyaml.__dict__["CParser"] if yaml.__with_libyaml__ else object


class _Quick(_Composer, _CParser, yaml.resolver.Resolver):  # type: ignore[misc]  # chosen at run time
    """libyaml's, which makes the events alone."""

    def __init__(self, text: str) -> None:
        _CParser.__init__(self, text)
        _Composer.__init__(self)
        yaml.resolver.Resolver.__init__(self)


def quick_node(text: str) -> yaml.Node | None:
    """The node of a text by libyaml; None where that is not there, or PyYAML has to be asked."""
    if not yaml.__with_libyaml__ or _DOUBTFUL.search(text):
        return None
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Quick)
    except (yaml.YAMLError, TooLarge, ValueError):
        return None
    return None if isinstance(node, yaml.ScalarNode) else node


_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,300}|0x[0-9a-fA-F]{1,64}", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("merge", r"<<", "<"),
)
for _kind, _form, _first in _SCALARS:
    _firsts = [*_first, ""] if _kind == "null" else list(_first)
    _resolver: Any = (TAG + _kind, re.compile(f"(?:{_form})\\Z"))
    for _char in _firsts:
        _Composer.yaml_implicit_resolvers.setdefault(_char, []).append(_resolver)
