from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.errors import INVALID, Error
from runtime.modules.options import activity_options, activity_options_json, workflow_options, workflow_options_json
from runtime.registry.units import freeze
from tests.support import host, main


def test_activity_options_are_brought_to_one_form() -> None:
    raw = {
        "activity.start_to_close_timeout": "1m30s",
        "temporal.activity.heartbeat_timeout": 500,
        "activity.wait_for_cancellation": True,
        "activity.summary": "charge",
        "activity.priority": 2,
        "activity.retry_policy": {
            "initialInterval": "1s",
            "backoff_coefficient": 2,
            "maximum_interval": 10_000,
            "maximumAttempts": 3.0,
            "non_retryable_error_types": "Declined",
        },
        "colour": "ignored",
        "workflow.id": "not an activity's",
    }
    assert activity_options(raw) == {
        "start_to_close_timeout": 90_000,
        "heartbeat_timeout": 500,
        "wait_for_cancellation": True,
        "summary": "charge",
        "priority": {"priority_key": 2},
        "retry_policy": {
            "initial_interval": 1000,
            "backoff_coefficient": 2.0,
            "maximum_interval": 10_000,
            "maximum_attempts": 3,
            "non_retryable_error_types": ["Declined"],
        },
    }


def test_a_plain_timeout_is_start_to_close_unless_that_is_given() -> None:
    assert activity_options({"timeout": 250}) == {"start_to_close_timeout": 250}
    given = {"timeout": 250, "activity.start_to_close_timeout": "1s"}
    assert activity_options(given) == {"start_to_close_timeout": 1000}


def test_the_short_prefix_wins_over_its_alias() -> None:
    raw = {"activity.id": "short", "temporal.activity.id": "long"}
    assert activity_options(raw) == {"id": "short"}


def test_zero_means_unset_and_parts_of_a_millisecond_round_up() -> None:
    raw = {"activity.heartbeat_timeout": 0, "activity.start_to_close_timeout": "10us"}
    assert activity_options(raw) == {"start_to_close_timeout": 1}


def test_an_empty_lua_table_is_an_empty_policy() -> None:
    assert activity_options({"activity.retry_policy": []}) == {"retry_policy": {}}


def test_workflow_enumerations_ignore_case_and_dashes() -> None:
    raw = {
        "workflow.id_conflict_policy": "Use-Existing",
        "temporal.workflow.id_reuse_policy": "REJECT_DUPLICATE",
        "workflow.parent_close_policy": "request-cancel",
        "workflow.memo": {"owner": "ops", "n": 1},
        "workflow.search_attributes": [],
        "workflow.execution_timeout": "24h",
        "workflow.cron_schedule": "CRON_TZ=Europe/Berlin 0 9 * * mon-fri",
        "timeout": 5,
    }
    assert workflow_options(raw) == {
        "id_conflict_policy": "use_existing",
        "id_reuse_policy": "reject_duplicate",
        "parent_close_policy": "request_cancel",
        "memo": {"owner": "ops", "n": 1},
        "search_attributes": {},
        "execution_timeout": 86_400_000,
        "cron_schedule": "CRON_TZ=Europe/Berlin 0 9 * * mon-fri",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("activity.start_to_close_timeout", "soon"),
        ("activity.start_to_close_timeout", -1),
        ("activity.start_to_close_timeout", True),
        ("activity.start_to_close_timeout", {}),
        ("activity.wait_for_cancellation", "yes"),
        ("activity.summary", 7),
        ("activity.summary", "é" * 200),
        ("activity.priority", 0),
        ("activity.priority", {"fairness_weight": -1}),
        ("activity.id", ""),
        ("activity.task_queue", "q" * 1001),
        ("activity.retry_policy", "thrice"),
        ("activity.retry_policy", {"attempts": 3}),
        ("activity.retry_policy", {"maximum_attempts": 1.5}),
        ("activity.retry_policy", {"backoff_coefficient": 0.5}),
        ("activity.retry_policy", {"maximum_interval": 10}),
        ("activity.retry_policy", {"non_retryable_error_types": [1]}),
        ("activity.start_to_close", "1s"),
        ("timeout", "later"),
    ],
)
def test_a_bad_activity_option_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(Error) as caught:
        activity_options({key: value})
    assert caught.value.kind == INVALID
    assert caught.value.is_retried is False
    assert f'"{key}"' in caught.value.message
    assert caught.value.details == {"option": key}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("workflow.id_conflict_policy", "replace"),
        ("workflow.id_reuse_policy", 1),
        ("workflow.memo", "text"),
        ("workflow.cron_schedule", "every day"),
        ("workflow.cron_schedule", "61 * * * *"),
        ("workflow.cron_schedule", "@every 10ms"),
        ("workflow.cron_schedule", "CRON_TZ=Mars/Olympus * * * * *"),
        ("workflow.heartbeat_timeout", "1s"),
    ],
)
def test_a_bad_workflow_option_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(Error, match=key) as caught:
        workflow_options({key: value})
    assert caught.value.kind == INVALID


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("activity.heartbeat_timeout", "soon", "expects a duration"),
        ("activity.heartbeat_timeout", "soon", "not 'soon'"),
        (
            "activity.retry_policy",
            {"maximumAttempts": -1},
            "maximum_attempts: expects a number from 0 to 2147483647, not -1",
        ),
        ("activity.retry_policy", {"attempts": 3}, 'unknown option "attempts"'),
        (
            "activity.retry_policy",
            {"maximum_interval": 10},
            "maximum_interval (10 ms) is shorter than initial_interval",
        ),
        ("activity.priority", 6, "priority_key: expects a number from 1 to 5, not 6"),
        ("activity.summary", "é" * 200, "expects at most 350 bytes"),
        ("activity.id", "a\nb", "'a\\nb' has a control character"),
    ],
)
def test_a_refusal_says_what_is_expected(key: str, value: Any, said: str) -> None:
    with pytest.raises(Error) as caught:
        activity_options({key: value})
    assert caught.value.message.startswith(f'option "{key}": ')
    assert said in caught.value.message


def test_a_refusal_of_a_value_names_the_value_once() -> None:
    with pytest.raises(Error) as caught:
        workflow_options({"workflow.cron_schedule": "every day"})
    assert caught.value.message.count("every day") == 1


def test_options_are_a_table() -> None:
    with pytest.raises(Error, match="expects a table") as caught:
        activity_options("timeout=5")  # type: ignore[arg-type]
    assert caught.value.kind == INVALID


def test_lists_and_tables_of_the_registry_are_taken() -> None:
    policy = freeze({"non_retryable_error_types": ["Declined"], "initial_interval": None})
    assert activity_options({"activity.retry_policy": policy, "activity.priority": freeze({"priorityKey": 2})}) == {
        "retry_policy": {"non_retryable_error_types": ["Declined"]},
        "priority": {"priority_key": 2},
    }


def test_a_delay_and_a_schedule_exclude_each_other() -> None:
    with pytest.raises(Error, match="exclude each other"):
        workflow_options({"workflow.cron_schedule": "@hourly", "workflow.start_delay": "1s"})


@pytest.mark.parametrize(
    "schedule", ["* * * * *", "*/5 0-6 1,15 * *", "@every 1h30m", "@daily", "0 12 * JAN-MAR SUN", "5/10 * ? * *"]
)
def test_cron_schedules_the_server_takes_are_taken(schedule: str) -> None:
    assert workflow_options({"workflow.cron_schedule": schedule}) == {"cron_schedule": schedule}


def test_the_kernel_hands_over_json() -> None:
    assert json.loads(activity_options_json(b'{"timeout":"1s"}')) == {"start_to_close_timeout": 1000}
    assert json.loads(activity_options_json(b"[]")) == {}
    assert json.loads(workflow_options_json(b'{"workflow.id":"o-1"}')) == {"id": "o-1"}


def test_keys_without_a_known_prefix_are_ignored_whatever_they_are() -> None:
    options = "{1, 2, [7] = 'x', [true] = 1, [print] = 2, note = print, limit = 0 / 0, ['activity.id'] = 'one', timeout = '5s'}"
    virtual = host(main(f"return funcs.new():with_options({options}):call('t:f')"), functions={"t:f": lambda: "called"})
    assert virtual.run() == "called"
    assert virtual.commands[0].data["options"] == {"id": "one", "start_to_close_timeout": 5000}
    virtual.close()


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"activity.start_to_close": "5s"}, "activity.start_to_close_timeout"),
        ({"temporal.activity.heartbeat": "5s"}, "temporal.activity.heartbeat_timeout"),
        ({"activity.retry_policy": {"maximum_attempt": 3}}, "maximum_attempts"),
        ({"activity.priority": {"fairness": "k"}}, "fairness_key"),
    ],
)
def test_an_unknown_option_says_which_one_was_meant(options: dict[str, Any], meant: str) -> None:
    with pytest.raises(Error, match="unknown option") as caught:
        activity_options(options)
    assert caught.value.message.endswith(f'; did you mean "{meant}"?')
