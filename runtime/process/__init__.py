"""The process host: functions, activities and handlers as asyncio processes with mailboxes."""

from runtime.process.current import Current, current

__all__ = ["Current", "current"]
