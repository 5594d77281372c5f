"""The process host: functions, activities and handlers as asyncio processes with mailboxes."""

from runtime.process.execution_context import ExecutionContext, current

__all__ = ["ExecutionContext", "current"]
