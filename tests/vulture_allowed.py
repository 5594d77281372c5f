# mypy: ignore-errors
# ruff: noqa
"""What `vulture` finds unused in `runtime/` and is not: `make check` reads this file beside it. Each group says who uses it."""

# Called or read by a library: names that a class of the Temporal SDK, click, aiohttp, PyYAML, pydantic or prometheus_client asks for.
_.intercept_client
_.intercept_activity
_.get_info
_.get_thread_id
_.get_serialization_context
_.get_external_store_context
_.retrieve
_.with_context
_.list_commands
_.get_command
_.format_commands
_.handle_error
_._prepare_hook
_.ignore_aliases
_.yaml_implicit_resolvers
_.ignored_warning_kinds
_.collect
_.exc_text

# Names of a module that Python itself asks for.
__getattr__
__dir__

# Set on messages of Temporal's core, or on options of RE2.
_.workflow_id_reuse_policy
_.cancellation_type
_.do_not_eagerly_execute
_.log_errors
_.max_mem
_.never_capture

# Held so that Lua has room for an error of its own.
_._padding

# Fields that leave as JSON or metrics, by `asdict`.
_.asleep
_.wakes
_.event_at
_.skipped

# What only tests look at.
_.is_asleep
_.watchdog_pid
_.alone

# Options of calls: the models are dumped, and their fields read by key.
_.wait_for_cancellation
_.disable_eager_execution
_.execution_timeout
_.task_timeout
_.id_conflict_policy
_.id_reuse_policy
_.execution_error_when_already_started
_.enable_eager_start
_.budget_grace

# Shown by a traceback.
_.__cause__
