"""The process host: functions, activities and handlers as asyncio processes with mailboxes."""

from runtime.process.execution_context import Current, current

__all__ = ["Current", "current"]
