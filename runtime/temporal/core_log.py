"""The bridge from the log of the SDK's core to Python's logging: by itself the core writes to standard output, where values belong."""

from __future__ import annotations

import logging

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


def forward_core_log(name: str = "temporalio.core") -> None:
    """From now on under the logger `name`, warnings and errors only. Does nothing when the SDK is in use already."""
    forwarding = LogForwardingConfig(
        logger=logging.getLogger(name), append_target_to_name=False, append_log_fields_to_message=False
    )
    config = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=config)), error_if_already_set=False)
