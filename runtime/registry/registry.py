"""The set of entries everything else works from: frozen, complete, and free of the mistakes a load can find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar, cast

from pydantic import ValidationError

from runtime.errors import invalid, not_found
from runtime.registry import loader, placeholders, validation
from runtime.registry.drafts import dig, put, spell
from runtime.registry.kinds import StartableWorkflow, TemporalClient, TemporalWorkflow, WorkflowLua
from runtime.registry.kinds.temporal import PAYLOADS
from runtime.registry.models import Entry
from runtime.registry.problems import Problem, RegistryError, did_you_mean, in_order
from runtime.registry.services import WHOLE, Selection, Services


class Origin(Protocol):
    """The origin of files that came from elsewhere: where their registry lies, and which path of this machine one of theirs stands for."""

    @property
    def registry(self) -> Path: ...

    def here(self, path: Path) -> Path: ...


E = TypeVar("E", bound=Entry)


class Registry:
    """The set of all entries. It is made by `load` and never changes. To see files that changed, load again."""

    def __init__(
        self,
        path: Path,
        entries: Mapping[str, Entry],
        *,
        environ: Mapping[str, str],
        files: Sequence[Path] = (),
        notes: Iterable[Problem] = (),
        selection: Selection = WHOLE,
    ) -> None:
        self.path = path
        self.entries: Mapping[str, Entry] = MappingProxyType(dict(entries))
        self.files: Sequence[Path] = tuple(files)
        self.notes: list[Problem] = in_order(notes)
        #: Whether the files came by a deploy, so that nothing need lie at `path`.
        self.deployed = False
        self._environ = MappingProxyType(dict(environ))
        #: The environment does not change under a registry, so neither does what an entry resolves to.
        self._resolved: dict[str, Entry] = {}
        self._of_kind: dict[type[Entry], tuple[Entry, ...]] = {}
        self.services = Services(self.entries, self.resolve, selection)
        self._workflows = {entry.workflow.name or entry.id: entry for entry in self.of_kind(WorkflowLua)}

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        environ: Mapping[str, str],
        overrides: Sequence[str] = (),
        checks: Sequence[Check] = (),
        lenient: bool = False,
        strict: bool = False,
        origin: Origin | None = None,
        selection: Selection = WHOLE,
    ) -> Registry:
        """Reads a definition file or a directory of them.

        Every check sees the registry as far as it could be built, which may lack entries that others name; what checks
        find is reported together with the rest. With an `origin` the files are read there, in place of those at `path`.
        Raises `RegistryError` with every mistake found.

        `lenient`: for speaking to runs that exist, which needs to know only where they live. Mistakes elsewhere go into
        `notes`, and the entries that have them are missing. `strict`: for publishing and checking, where problems count as mistakes.
        `selection`: the part that this process serves; a name in it that no service has is an `Error` INVALID.
        """
        read_at, here = (origin.registry, origin.here) if origin is not None else (Path(path), None)
        loaded = loader.load(read_at, environ, overrides, here)
        registry = cls(Path(path), loaded.entries, environ=environ, files=loaded.files, selection=selection)
        problems = [*loaded.problems, *(problem for check in checks for problem in check(registry))]
        if here is not None:
            problems = [_placed(problem, here) for problem in problems]
        stopping = ("error", "problem") if strict else ("error",)
        if any(problem.severity in stopping for problem in problems) and not (lenient and loaded.placed):
            raise RegistryError(problems)
        registry.services.check_selection()
        registry.notes = in_order(problems)
        registry.deployed = origin is not None
        return registry

    def __getitem__(self, id: str) -> Entry:
        """The entry, as defined. Raises `Error` NOT_FOUND."""
        entry = self.entries.get(id)
        if entry is None:
            raise not_found("entry", id, did_you_mean(id, self.entries))
        return entry

    def __contains__(self, id: object) -> bool:
        return id in self.entries

    def get(self, id: str) -> Entry | None:
        return self.entries.get(id)

    def of_kind(self, model: type[E]) -> list[E]:
        """The entries of a model class (or of its subclasses), in the order of definition."""
        found = self._of_kind.get(model)
        if found is None:
            found = self._of_kind[model] = tuple(e for e in self.entries.values() if isinstance(e, model))
        return cast("list[E]", list(found))

    def resolve(self, entry: E) -> E:
        """The entry with its placeholders replaced. Raises `Error` INVALID naming entry and field, never a value."""
        if self.entries.get(entry.id) is not entry:
            return self._resolve(entry)
        resolved = self._resolved.get(entry.id)
        if resolved is None:
            resolved = self._resolved[entry.id] = self._resolve(entry)
        return cast(E, resolved)

    @property
    def environ(self) -> Mapping[str, str]:
        """What placeholders and `env.variable` entries read from."""
        return self._environ

    def payload_store(self, client: TemporalClient) -> str | None:
        """The place of the large values of a client: what it says, else what the environment says; None: nowhere."""
        resolved = self.resolve(client)
        return resolved.payloads.store or self._environ.get(PAYLOADS) or None

    def stored_from(self, client: TemporalClient) -> int | None:
        """Bytes from which the values of a client are kept in its store; None where it has none."""
        return self.resolve(client).payloads.threshold if self.payload_store(client) else None

    def workflow_type(self, entry: StartableWorkflow) -> str:
        """The name Temporal knows a workflow by."""
        return entry.type if isinstance(entry, TemporalWorkflow) else entry.workflow.name or entry.id

    def find_startable(self, name: str) -> StartableWorkflow | None:
        """The workflow of an entry id or a type, also one that runs elsewhere. An id comes before a type."""
        entry = self.entries.get(name)
        if isinstance(entry, StartableWorkflow):
            return entry
        elsewhere = (foreign for foreign in self.of_kind(TemporalWorkflow) if foreign.type == name)
        return self.find_workflow(name) or next(elsewhere, None)

    def find_workflow(self, type_name: str) -> WorkflowLua | None:
        """The workflow of a type, or of an entry id, whose script is here."""
        found = self._workflows.get(type_name) or self.entries.get(type_name)
        return found if isinstance(found, WorkflowLua) else None

    def _resolve(self, entry: E) -> E:
        if not placeholders.is_in(entry.definition):
            return entry
        try:
            fields = placeholders.resolve(entry.definition, self._environ)
            return self._rebuild(entry, fields)
        except placeholders.Unresolved as error:
            raise invalid(f"{entry.id}: {spell(error.field)}: {error.message}", entry=entry.id) from None

    def _rebuild(self, entry: E, fields: dict[str, object]) -> E:
        try:
            return validation.rebuild(entry, fields)
        except ValidationError as error:
            details = error.errors()
        numeric = [detail for detail in details if detail["type"] == "string_type"]
        if numeric and len(numeric) == len(details):
            # The default looked like a number, but the field is text.
            for detail in numeric:
                _as_text(entry, fields, validation.written(type(entry), tuple(detail["loc"])), self._environ)
            return self._rebuild(entry, fields)
        steps = validation.written(type(entry), tuple(details[0]["loc"]))
        shown = dig(entry.definition, steps)
        said = f" (given as {shown})" if isinstance(shown, str) else ""
        raise placeholders.Unresolved(steps, f"{validation.describe(details[0])}{said}")


def _as_text(entry: Entry, fields: dict[str, object], steps: tuple[str | int, ...], environ: Mapping[str, str]) -> None:
    """Puts back as text what a placeholder made a number or a boolean of."""
    text = dig(entry.definition, steps)
    put(fields, steps, placeholders.resolve_text(str(text), environ))


def _placed(problem: Problem, here: Callable[[Path], Path]) -> Problem:
    return replace(problem, file=here(problem.file)) if isinstance(problem.file, Path) else problem


Check = Callable[[Registry], Iterable[Problem]]
