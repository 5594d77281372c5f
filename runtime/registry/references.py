"""The resolution of references between entries: bare names become full ids, and each must name an entry of a fitting kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.registry import placeholders
from runtime.registry.drafts import Draft, dig, places, put, spell
from runtime.registry.models import Reference
from runtime.registry.problems import closest
from runtime.registry.yamlfile import Steps


def settle(draft: Draft, drafts: Mapping[str, Draft], environ: Mapping[str, str]) -> None:
    """Rewrites the references of a draft to full ids.

    Placeholders in them, and in the fields that name an entry to others, are resolved here: the graph must be known.
    """
    if draft.model is None:
        return
    for path in draft.model.NAMES:
        for steps, value in _texts(draft, path):
            name = _now(draft, steps, value, environ)
            if name is not None:
                put(draft.data, steps, name)
    for reference in draft.model.REFERENCES:
        for steps, value in _texts(draft, reference.path):
            name = _now(draft, steps, value, environ)
            if name is not None:
                full = name if ":" in name else f"{draft.place.namespace}:{name}"
                put(draft.data, steps, full)
                _check(draft, steps, value, full, reference, drafts)


def _texts(draft: Draft, path: tuple[str, ...]) -> Iterator[tuple[Steps, str]]:
    """The texts at a path; what is not text is left to the model to complain about."""
    for steps in places(draft.data, path):
        value = dig(draft.data, steps)
        if isinstance(value, str):
            yield steps, value


def _now(draft: Draft, steps: Steps, text: str, environ: Mapping[str, str]) -> str | None:
    try:
        return placeholders.resolve_text(text, environ)
    except placeholders.Unresolved as error:
        draft.complain(steps, f"{spell(steps)}: {error.message}")
        return None


def _check(
    draft: Draft, steps: Steps, shown: str, target: str, reference: Reference, drafts: Mapping[str, Draft]
) -> None:
    found = drafts.get(target)
    if found is None:
        candidates = [id for id in _fitting(reference, drafts) if id != draft.id]
        hint = _suggest(target, candidates) or (None if candidates else _nobody(reference))
        draft.complain(steps, f"{spell(steps)}: no entry {_show(shown, target)}", hint)
    elif reference.kinds and found.kind not in reference.kinds and found.model:
        wanted = " or ".join(reference.kinds)
        suggestion = _suggest(target, _fitting(reference, drafts))
        message = f"{spell(steps)}: {_show(shown, target)} is a {found.kind}, not a {wanted}"
        draft.complain(steps, message, suggestion)
    elif found.id == draft.id:
        draft.complain(steps, f"{spell(steps)}: the entry names itself")


def _show(shown: str, target: str) -> str:
    return f'"{shown}"' if placeholders.is_in(shown) else f'"{target}"'


def _fitting(reference: Reference, drafts: Mapping[str, Draft]) -> list[str]:
    return [id for id, draft in drafts.items() if not reference.kinds or draft.kind in reference.kinds]


def _nobody(reference: Reference) -> str | None:
    """A hint where no entry fits at all."""
    return f"the registry has no {' or '.join(reference.kinds)}" if reference.kinds else None


def _suggest(target: str, fitting: list[str]) -> str | None:
    """The entry most likely meant: a similar name in that namespace, the same name in another, or the only one that fits.

    Names are compared without their namespace, which would make any two ids in it look alike.
    """
    namespace, _, name = target.partition(":")
    near = closest(name, [id.partition(":")[2] for id in fitting if id.partition(":")[0] == namespace])
    elsewhere = [id for id in fitting if id.partition(":")[2] == name]
    found = f"{namespace}:{near}" if near else next(iter(elsewhere or (fitting if len(fitting) == 1 else [])), None)
    return f'did you mean "{found}"?' if found else None
