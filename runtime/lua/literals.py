"""Calls of modules that a script makes with text written out: ``env.get("NAME")``, ``http_client.get("http://…")``.

Found in the source, without running it. A name counts as a module's only where the file binds it to nothing else, so what
is found is there; what is computed, or handed around, is left to the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--\[(?P<dashes>=*)\[.*?(?:\](?P=dashes)\]|\Z)|--[^\n]*)
  | (?P<long>\[(?P<equals>=*)\[.*?(?:\](?P=equals)\]|\Z))
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
  | (?P<mark>\.{2,3}|[=~<>]=|::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
#: What an escape stands for is not worked out: a text that has one is not taken as known.
_PLAIN = re.compile(r"""(["'])([^\\]*)\1""")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A call of `module`.`function` at `line`. `texts` are its first arguments, as far as they are texts; `whole`: whether the last of them
    is all of that argument, rather than what it begins with."""

    module: str
    function: str
    texts: tuple[str, ...]
    whole: bool
    line: int


def calls(source: str, modules: Sequence[str]) -> Iterator[Literal]:
    """The calls of `modules` in a script that lists them. The script compiles."""
    tokens = list(_tokens(source))
    known = {name: module for name, module in _names(tokens, modules).items() if module}
    for at, token in enumerate(tokens):
        if token.kind == "name" and token.text in known and _text(tokens, at - 1) not in (".", ":"):
            found = _call(tokens, at, known[token.text])
            if found is not None:
                yield found


def _tokens(source: str) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(source):
        text = match.group()
        kind = next(name for name in _KINDS if match[name] is not None)
        if kind not in ("space", "comment"):
            yield Token(kind, text, line)
        line += text.count("\n")


_KINDS = ("space", "comment", "long", "string", "name", "number", "mark")


def _names(tokens: Sequence[Token], modules: Sequence[str]) -> dict[str, str | None]:
    """The names that stand for modules: their own, and locals bound to `require` of them. None for a name that is bound to anything else."""
    names: dict[str, str | None] = {module: module for module in modules}
    for at, token in enumerate(tokens):
        if token.kind != "name":
            continue
        if token.text == "local" and _text(tokens, at + 1) != "function":
            module = _required(tokens, at + 2)
            for name in _listed(tokens, at + 1):
                names[name] = module if names.get(name, module) == module and module in modules else None
        elif token.text == "for":
            names |= dict.fromkeys(_listed(tokens, at + 1))
        elif token.text == "function":
            names |= dict.fromkeys(_parameters(tokens, at + 1))
        elif _text(tokens, at + 1) in ("=", ",") and _text(tokens, at - 1) not in (".", ":", "local"):
            names |= _assigned(tokens, at, names)
    return names


def _assigned(tokens: Sequence[Token], at: int, names: dict[str, str | None]) -> dict[str, str | None]:
    """A name before ``=`` or in a list before it. In a table, ``{env = env}`` binds nothing, but looks so; it is then left to the run."""
    end = at
    while _text(tokens, end + 1) == "," and tokens[end + 2 : end + 3] and tokens[end + 2].kind == "name":
        end += 2
    name = tokens[at].text
    return {name: None} if _text(tokens, end + 1) == "=" and name in names and _text(tokens, at - 2) != "local" else {}


def _required(tokens: Sequence[Token], at: int) -> str | None:
    """The module of ``= require("…")``, which starts at `at`."""
    if [_text(tokens, at), _text(tokens, at + 1)] != ["=", "require"]:
        return None
    at += 3 if _text(tokens, at + 2) == "(" else 2
    return _plain(tokens, at)


def _listed(tokens: Sequence[Token], at: int) -> Iterator[str]:
    """Names with commas between them; an attribute may follow each."""
    while at < len(tokens) and tokens[at].kind == "name":
        yield tokens[at].text
        at += 4 if _text(tokens, at + 1) == "<" else 1
        if _text(tokens, at) != ",":
            return
        at += 1


def _parameters(tokens: Sequence[Token], at: int) -> Iterator[str]:
    """Of a function, and its name where it has one."""
    if at < len(tokens) and tokens[at].kind == "name" and _text(tokens, at + 1) == "(":
        yield tokens[at].text
    while at < len(tokens) and tokens[at].text != "(":
        at += 1
    yield from _listed(tokens, at + 1)


def _call(tokens: Sequence[Token], at: int, module: str) -> Literal | None:
    """``.name("text", …`` or ``.name "text"`` after the module's name."""
    if _text(tokens, at + 1) != "." or at + 2 >= len(tokens) or tokens[at + 2].kind != "name":
        return None
    function, line = tokens[at + 2].text, tokens[at].line
    if _text(tokens, at + 3) != "(":
        text = _plain(tokens, at + 3)
        return Literal(module, function, (text,), True, line) if text is not None else None
    texts: list[str] = []
    at += 4
    while (text := _plain(tokens, at)) is not None:
        texts.append(text)
        if _text(tokens, at + 1) != ",":
            break
        at += 2
    if not texts:
        return None
    return Literal(module, function, tuple(texts), text is None or _text(tokens, at + 1) in (")", ","), line)


def _plain(tokens: Sequence[Token], at: int) -> str | None:
    """The text of a string without escapes."""
    if at >= len(tokens) or tokens[at].kind not in ("string", "long"):
        return None
    if tokens[at].kind == "long":
        opening = tokens[at].text.index("[", 1) + 1
        return tokens[at].text[opening:-opening].removeprefix("\n")
    match = _PLAIN.fullmatch(tokens[at].text)
    return match[2] if match else None


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) and tokens[at].kind in ("mark", "name") else ""
