"""The bridge from the log of the SDK's core to Python's logging: by itself the core writes to standard output, where values belong."""

from __future__ import annotations

import logging

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

#: What the core warns of although nothing is wrong: whoever asked had gone before the answer came.
_NO_WARNINGS = ("Query not found when attempting to respond to it",)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NO_WARNINGS)


def forward_core_log(name: str = "temporalio.core") -> None:
    """From now on under the logger `name`, warnings and errors only. Does nothing when the SDK is in use already."""
    logger = logging.getLogger(name)
    logger.addFilter(_is_worth_telling)
    forwarding = LogForwardingConfig(logger=logger, append_target_to_name=False, append_log_fields_to_message=False)
    config = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=config)), error_if_already_set=False)
