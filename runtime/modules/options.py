"""The option tables of `funcs` and `process`, checked and brought to one form.

In: what an author wrote, in a script or in an entry's `meta.options`: prefixed keys, Go durations or milliseconds, snake
or camel case. Out: names without prefix, durations in whole milliseconds, enumerations in lower case with underscores.
A value the Temporal server would refuse is refused here: a refused command never comes back to the script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from runtime import durations
from runtime.errors import Error, invalid
from runtime.modules import cron

Check = Callable[[Any], Any]

_MAX_NAME = 1000  # bytes; the server's limit for ids and queue names
_MAX_SUMMARY = 350  # bytes; the server allows 400 for the payload, its metadata included
_MAX_DETAILS = 20_000
_DEFAULT_INITIAL_INTERVAL = 1000


def activity_options(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a call. A plain `timeout` is start-to-close. Raises `Error` INVALID naming key and value."""
    table = _table(raw)
    options = _read(table, "activity.", _ACTIVITY)
    if "timeout" in table and "start_to_close_timeout" not in options:
        options.update(_checked("timeout", {"start_to_close_timeout": table["timeout"]}, _ACTIVITY))
    return options


def workflow_options(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a started workflow or child. Raises `Error` INVALID naming key and value."""
    options = _read(_table(raw), "workflow.", _WORKFLOW)
    if "cron_schedule" in options and "start_delay" in options:
        raise invalid('options "workflow.cron_schedule" and "workflow.start_delay" exclude each other')
    return options


def activity_options_json(text: bytes) -> bytes:
    """`activity_options` for the kernel: a JSON object in, a JSON object out."""
    return json.dumps(activity_options(json.loads(text)), ensure_ascii=False).encode()


def workflow_options_json(text: bytes) -> bytes:
    """`workflow_options` for the kernel: a JSON object in, a JSON object out."""
    return json.dumps(workflow_options(json.loads(text)), ensure_ascii=False).encode()


def _read(raw: Mapping[str, Any], prefix: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    """The options under `prefix` or its `temporal.` alias; where both are given, the shorter one counts."""
    options: dict[str, Any] = {}
    for start in (f"temporal.{prefix}", prefix):
        for key, value in raw.items():
            if key.startswith(start):
                options.update(_checked(key, {key[len(start) :]: value}, checks))
    return options


def _checked(key: str, item: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    [(name, value)] = item.items()
    check = checks.get(name)
    if check is None:
        raise invalid(f'unknown option "{key}"', option=key)
    if value is None:
        return {}
    try:
        checked = check(value)
    except Error as error:
        raise invalid(f'option "{key}": {error.message}', option=key) from error
    return {} if checked is None else {name: checked}


def _table(value: Any) -> Mapping[str, Any]:
    if value is None or (isinstance(value, list | tuple) and not value):  # an empty Lua table is an array
        return {}
    if not isinstance(value, Mapping):
        raise invalid(f"not a table: {value!r}")
    return value


def _duration(value: Any) -> int | None:
    """Whole milliseconds, rounded up; zero means unset, as in Temporal."""
    span = durations.parse(value)
    milliseconds = -(-span // _MILLISECOND)
    if milliseconds < 0:
        raise invalid(f"negative duration: {value!r}")
    return milliseconds or None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(f"not true or false: {value!r}")
    return value


def _text(limit: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise invalid(f"not a text: {value!r}")
        if len(value.encode()) > limit:
            raise invalid(f"longer than {limit} bytes: {value[:40]!r}…")
        return value

    return check


def _name(value: Any) -> str:
    text: str = _text(_MAX_NAME)(value)
    if not text:
        raise invalid("empty")
    return without_controls(text)


def without_controls(name: str, what: str = "") -> str:
    """The name. Raises `Error` INVALID for one with control characters, which databases of the server may refuse and logs cannot show."""
    if any(char < " " or char == "\x7f" for char in name):
        raise invalid(f"{what} {name[:80]!r} has a control character".lstrip())
    return name


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        folded = value.lower().replace("-", "_") if isinstance(value, str) else None
        if folded not in choices:
            raise invalid(f"{value!r} is none of {', '.join(choices)}")
        return str(folded)

    return check


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or not low <= value <= high:
            raise invalid(f"not an integer from {low} to {high}: {value!r}")
        return int(value)

    return check


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise invalid(f"not a number from {low:g} to {high:g}: {value!r}")
        return float(value)

    return check


def _error_types(value: Any) -> list[str]:
    kinds = [value] if isinstance(value, str) else value
    if not isinstance(kinds, list | tuple) or not all(isinstance(kind, str) for kind in kinds):
        raise invalid(f"not an error kind or an array of them: {value!r}")
    return list(kinds)


def _record(checks: Mapping[str, Check]) -> Check:
    """A nested table whose keys may be in snake or camel case."""

    def check(value: Any) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for key, item in _table(value).items():
            name = _CAMEL.sub(r"_\1", key).lower()
            record.update(_checked(key, {name: item}, checks))
        return record

    return check


def _retry_policy(value: Any) -> dict[str, Any]:
    policy: dict[str, Any] = _record(_RETRY_POLICY)(value)
    initial = policy.get("initial_interval", _DEFAULT_INITIAL_INTERVAL)
    maximum = policy.get("maximum_interval")
    if maximum is not None and maximum < initial:
        raise invalid(f"maximum_interval ({maximum} ms) is shorter than initial_interval ({initial} ms)")
    return policy


def _priority(value: Any) -> dict[str, Any]:
    """A key from 1 (first) to 5, or a table with a key, a fairness key and its weight."""
    table = value if isinstance(value, Mapping | list | tuple) else {"priority_key": value}
    priority: dict[str, Any] = _record(_PRIORITY)(table)
    return priority


def _object(value: Any) -> dict[str, Any]:
    return dict(_table(value))


def _cron(value: Any) -> str:
    return cron.check(_name(value))


_MILLISECOND = durations.parse(1)
_CAMEL = re.compile(r"(?<=[a-z])([A-Z])")

_RETRY_POLICY: Mapping[str, Check] = {
    "initial_interval": _duration,
    "backoff_coefficient": _number(1, 1e6),
    "maximum_interval": _duration,
    "maximum_attempts": _integer(0, 2**31 - 1),
    "non_retryable_error_types": _error_types,
}
_PRIORITY: Mapping[str, Check] = {
    "priority_key": _integer(1, 5),
    "fairness_key": _text(64),
    "fairness_weight": _number(0.001, 1000),
}
_ACTIVITY: Mapping[str, Check] = {
    "id": _name,
    "task_queue": _name,
    "schedule_to_close_timeout": _duration,
    "schedule_to_start_timeout": _duration,
    "start_to_close_timeout": _duration,
    "heartbeat_timeout": _duration,
    "wait_for_cancellation": _flag,
    "disable_eager_execution": _flag,
    "summary": _text(_MAX_SUMMARY),
    "priority": _priority,
    "retry_policy": _retry_policy,
}
_WORKFLOW: Mapping[str, Check] = {
    "id": _name,
    "task_queue": _name,
    "execution_timeout": _duration,
    "run_timeout": _duration,
    "task_timeout": _duration,
    "id_conflict_policy": _choice("fail", "use_existing", "terminate_existing"),
    "id_reuse_policy": _choice("allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"),
    "execution_error_when_already_started": _flag,
    "retry_policy": _retry_policy,
    "cron_schedule": _cron,
    "memo": _object,
    "search_attributes": _object,
    "enable_eager_start": _flag,
    "start_delay": _duration,
    "summary": _text(_MAX_SUMMARY),
    "details": _text(_MAX_DETAILS),
    "priority": _priority,
    "parent_close_policy": _choice("terminate", "abandon", "request_cancel"),
    "wait_for_cancellation": _flag,
    "namespace": _name,
}
