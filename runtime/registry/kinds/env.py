"""Variables that scripts read through `env`, and where they are kept."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from runtime.registry.models import Entry, Reference
from runtime.registry.units import FrozenDict, FrozenText

STORAGES = ("env.storage.memory", "env.storage.os", "env.storage.file", "env.storage.router")

_NAME = re.compile(r"[^\s=#'\"\x00-\x1f\x7f]+")


def _variable(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise PydanticCustomError("variable", "expects the name of a variable: no spaces, quotes, = or #")
    return value


def _mode(value: object) -> object:
    """Octal digits, also when YAML has read them as a decimal number."""
    text = str(value).removeprefix("0o").rjust(4, "0") if isinstance(value, int | str) else ""
    if not re.fullmatch(r"0?[0-7]{3}|[0-7]{4}", text):
        raise PydanticCustomError("mode", 'expects permissions such as "0600"')
    return int(text, 8)


class EnvVariable(Entry):
    """A name that scripts read through `env`: the variable it stands for, where that is kept, and its value when unset.

    A `secret` variable is read by the entries that name it in `meta.env.variables`, and by no others.
    """

    KIND = "env.variable"
    REFERENCES = (Reference(("storage",), STORAGES),)
    NAMES = (("variable",),)

    kind: Literal["env.variable"]
    variable: Annotated[str, AfterValidator(_variable)]
    storage: str | None = None
    default: str | None = Field(default=None, repr=False)
    readonly: bool = False
    secret: bool = False


class EnvStorageMemory(Entry):
    """Variables in the memory of the host, kept for as long as it runs."""

    KIND = "env.storage.memory"

    kind: Literal["env.storage.memory"]
    values: FrozenText = Field(default_factory=FrozenDict, repr=False)


class EnvStorageOs(Entry):
    """The environment that the host was started with. What is set holds for this host and is handed to nobody."""

    KIND = "env.storage.os"

    kind: Literal["env.storage.os"]


class EnvStorageFile(Entry):
    """A file of `NAME=value` lines, read anew each time. `create`: whether the first variable that is set makes it, with `mode`."""

    KIND = "env.storage.file"

    kind: Literal["env.storage.file"]
    storage_file: str = Field(alias="file", min_length=1)
    create: bool = True
    mode: Annotated[int, BeforeValidator(_mode), WithJsonSchema({"type": ["integer", "string"]})] = 0o600


class EnvStorageRouter(Entry):
    """Several storages as one: read in order, written to the first."""

    KIND = "env.storage.router"
    REFERENCES = (Reference(("storages", "*"), STORAGES),)

    kind: Literal["env.storage.router"]
    storages: tuple[str, ...] = Field(min_length=1)
