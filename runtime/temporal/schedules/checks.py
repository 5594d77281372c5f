"""The checks of schedules that need no server; what they find is reported with the registry's other problems.

Fields with placeholders are left for the start: what stands for them is never shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from runtime.errors import Error
from runtime.late import late
from runtime.modules import cron
from runtime.modules.options import workflow_options
from runtime.registry import Problem, Registry, StartableWorkflow, TemporalSchedule, TemporalWorkflow
from runtime.registry.placeholders import is_in
from runtime.registry.problems import page_of
from runtime.temporal.schedules.spec import args_of, place_of

if TYPE_CHECKING:
    from runtime.registry import inputs
else:
    inputs = late("runtime.registry.inputs")


def schedule_checks(registry: Registry) -> Iterable[Problem]:
    """Cron text that is none, input that its workflow does not take, and runs that nobody would serve."""
    for entry in registry.of_kind(TemporalSchedule):
        for message in _faults(registry, entry):
            yield Problem(entry.file, entry.line, entry.id, message, docs=page_of(entry.KIND))


def _faults(registry: Registry, entry: TemporalSchedule) -> Iterator[str]:
    for text in () if is_in(entry.cron) else entry.cron:
        yield from _raised("cron", partial(cron.check, text))
    workflow = registry.get(entry.workflow)
    if not isinstance(workflow, StartableWorkflow):
        return  # told already
    if entry.worker is None and not (isinstance(workflow, TemporalWorkflow) and workflow.task_queue):
        yield from _raised("worker", lambda: place_of(registry, entry))
    if not is_in(workflow.options):
        yield from _raised(f"workflow: {workflow.id}", lambda: workflow_options(workflow.options))
    if workflow.input_schema is not None and not is_in(entry.input):
        args = args_of(entry)
        value, schema = json.loads(json.dumps(args[0] if args else None, default=str)), workflow.input_schema
        yield from _raised(f"input is not what {workflow.id} takes", lambda: inputs.check(workflow.id, schema, value))


def _raised(field: str, check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except Error as error:
        yield f"{field}: {error.message}"
