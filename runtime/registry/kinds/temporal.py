"""Connections to Temporal, and the task queues served over them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from runtime.registry.models import Lifecycle, Model, Reference, ServiceEntry
from runtime.registry.units import Duration, FrozenDict, Size, freeze

#: The variable with the directory for the large values of each client that names none.
PAYLOADS = "EVERMOON_PAYLOADS"

AttributeType = Literal["Keyword", "Text", "Int", "Double", "Bool", "Datetime", "KeywordList"]


class Auth(Model):
    type: Literal["none", "api_key", "mtls"] = "none"
    api_key: str | None = Field(default=None, repr=False)
    api_key_file: str | None = None
    cert_file: str | None = None
    cert_pem: str | None = Field(default=None, repr=False)
    key_file: str | None = None
    key_pem: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _complete(self) -> Auth:
        if self.type == "api_key" and not (self.api_key or self.api_key_file):
            raise PydanticCustomError("auth", "type api_key needs api_key or api_key_file")
        if self.type == "mtls" and not ((self.cert_file or self.cert_pem) and (self.key_file or self.key_pem)):
            raise PydanticCustomError("auth", "type mtls needs cert_file or cert_pem, and key_file or key_pem")
        return self


class ClientTls(Model):
    enabled: bool = True
    ca_file: str | None = None
    server_name: str | None = None


class Payloads(Model):
    """The store of large payloads: those larger than `threshold` bytes are kept in `store` and travel as a reference."""

    threshold: Size = 256 * 1024
    store: str | None = None
    options: dict[str, str] = Field(default_factory=dict, repr=False)
    """Of an object store, as its own tools call them: `aws_region`, `aws_endpoint`, …; beside these, what its variables in the environment say counts."""


class Codec(Model):
    type: Literal["none", "aes_gcm"] = "none"
    key: str | None = Field(default=None, repr=False)
    former_keys: list[str] = Field(default_factory=list, repr=False)
    """Keys that values were encrypted with before: they are read with these, and nothing more is written with them."""

    @model_validator(mode="after")
    def _complete(self) -> Codec:
        if self.type == "aes_gcm" and not self.key:
            raise PydanticCustomError("codec", "type aes_gcm needs a key")
        return self


class TemporalClient(ServiceEntry):
    """A Temporal namespace to connect to. Either `address` or `profile` (Temporal's own environment configuration).

    `temporal_namespace` is the field ``namespace`` of the file: `namespace` of an entry is that of the registry.
    """

    KIND = "temporal.client"
    LIFECYCLE = ServiceEntry.LIFECYCLE | {"start_timeout"}

    kind: Literal["temporal.client"]
    address: str | None = Field(default=None, min_length=1)
    profile: str | None = Field(default=None, min_length=1)
    temporal_namespace: str = Field(default="default", alias="namespace", min_length=1)
    tq_prefix: str = ""
    auth: Auth = Auth.model_construct()
    tls: ClientTls | None = None
    health_check: bool = True
    search_attributes: Annotated[dict[str, AttributeType], AfterValidator(freeze)] = Field(default_factory=FrozenDict)
    payloads: Payloads = Payloads.model_construct()
    codec: Codec = Codec.model_construct()

    @model_validator(mode="after")
    def _reachable(self) -> TemporalClient:
        if (self.address is None) == (self.profile is None):
            raise PydanticCustomError("client", "needs either address or profile")
        return self


class WorkerOptions(Model):
    """The options of a worker, under Temporal's own names. Rates are per second; None means the SDK's default."""

    max_concurrent_workflow_task_execution_size: int = Field(default=200, ge=2)
    max_concurrent_activity_execution_size: int = Field(default=200, ge=1)
    max_concurrent_local_activity_execution_size: int = Field(default=200, ge=1)
    max_concurrent_workflow_task_pollers: int | None = Field(default=None, ge=2)
    max_concurrent_activity_task_pollers: int | None = Field(default=None, ge=1)
    max_cached_workflows: int = Field(default=1000, ge=0)
    max_live_interpreters: int | None = Field(default=None, ge=0)
    """Runs that may wait with an interpreter; None: as many as Lua needs 256 MiB for."""
    sticky_schedule_to_start_timeout: Duration = timedelta(seconds=5)
    worker_activities_per_second: float | None = Field(default=None, gt=0)
    task_queue_activities_per_second: float | None = Field(default=None, gt=0)
    graceful_shutdown_timeout: Duration = timedelta(seconds=10)
    identity: str | None = None
    deployment_name: str | None = None
    build_id: str | None = None
    use_versioning: bool = False
    shadow: bool | None = None
    """Whether every step of a workflow is executed twice and compared; None: as the host has it."""

    @model_validator(mode="after")
    def _versioned(self) -> WorkerOptions:
        if self.use_versioning and not (self.deployment_name and self.build_id):
            raise PydanticCustomError("versioning", "use_versioning needs deployment_name and build_id")
        return self


class TemporalWorker(ServiceEntry):
    """One task queue, served over `client`."""

    KIND = "temporal.worker"
    LIFECYCLE = frozenset(Lifecycle.model_fields)
    IS_STARTED = True
    REFERENCES = (*ServiceEntry.REFERENCES, Reference(("client",), ("temporal.client",)))

    kind: Literal["temporal.worker"]
    client: str
    task_queue: str = Field(min_length=1)
    worker_options: WorkerOptions = WorkerOptions.model_construct()

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.client, *super().needs)

    @property
    def graceful_shutdown_timeout(self) -> timedelta:
        """What running activities get at the end: the shorter of the two fields that speak of it, of which one that is not written does not count."""
        own, stop = self.worker_options.graceful_shutdown_timeout, self.lifecycle.stop_timeout
        if "stop_timeout" not in self.lifecycle.model_fields_set:
            return own
        return min(own, stop) if "graceful_shutdown_timeout" in self.worker_options.model_fields_set else stop
