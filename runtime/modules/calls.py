"""What an entry says about calls of it that decides which commands a caller gives.

A workflow that was recorded with one such word would not replay with another, so a run keeps them as they were, with its
code. Everything else an entry says (queues, timeouts, retries) is taken as it is when the call is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runtime.errors import Error
from runtime.modules.options import activity_options, workflow_options
from runtime.registry import ActivityEntry, Foreign, Registry, TemporalActivity, WorkflowLua

#: By entry id: `local`, `type` (of a workflow or activity that does not go by its id), and options of `DECIDING`.
Calls = Mapping[str, Mapping[str, Any]]

DECIDING = frozenset(
    {
        "id",
        "wait_for_cancellation",
        "id_conflict_policy",
        "id_reuse_policy",
        "execution_error_when_already_started",
        "start_delay",
        "parent_close_policy",
        "namespace",
    }
)


def calls(registry: Registry) -> Calls:
    """Of the entries that say anything of the kind."""
    found: dict[str, dict[str, Any]] = {}
    for entry in registry.entries.values():
        if not isinstance(entry, ActivityEntry):
            continue
        found[entry.id] = _deciding(activity_options, entry.options)
        if entry.activity is not None and entry.activity.local:
            found[entry.id]["local"] = True
    for workflow in registry.of_kind(WorkflowLua):
        found[workflow.id] = _deciding(workflow_options, workflow.options)
        if workflow.workflow.name:
            found[workflow.id]["type"] = workflow.workflow.name
    for foreign in registry.of_kind(Foreign):
        read = activity_options if isinstance(foreign, TemporalActivity) else workflow_options
        found[foreign.id] = {**_deciding(read, foreign.options), "type": foreign.type}
    return {id: said for id, said in found.items() if said}


def waits(said: Calls) -> list[str]:
    """Entries of which a caller that is cancelled waits for the end."""
    return [id for id, words in said.items() if words.get("wait_for_cancellation")]


def options_of(said: Calls | None, entry_id: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The normalised options `own` of an entry as they count for a run that keeps `said`; None is of a run that keeps nothing."""
    if said is None:
        return dict(own)
    kept = {name: word for name, word in said.get(entry_id, {}).items() if name in DECIDING}
    return {**{name: option for name, option in own.items() if name not in DECIDING}, **kept}


def _deciding(read: Callable[[Mapping[str, Any]], dict[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: option for name, option in read(options).items() if name in DECIDING}
    except Error:
        return {}  # a call of this entry will say what is wrong with its options
