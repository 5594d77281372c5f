"""Environment and flags, read once. Nothing else in Evermoon looks at `os.environ`.

Precedence: a flag, else the environment variable, else the default here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runtime.errors import invalid

REGISTRY = "EVERMOON_REGISTRY"
STATE = "EVERMOON_STATE"
BUNDLES = "EVERMOON_BUNDLES"
LOG_LEVEL = "EVERMOON_LOG_LEVEL"

DEFAULT_REGISTRY = Path("config/registry.yaml")
DEFAULT_STATE = Path(".evermoon")
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one Evermoon process was asked to run."""

    registry: Path = DEFAULT_REGISTRY
    """The registry: a file, or a directory (`EVERMOON_REGISTRY`, `--registry`)."""

    overrides: tuple[str, ...] = ()
    """Fields replaced at launch, each `ns:entry:path=value` (`-o`)."""

    state: Path = DEFAULT_STATE
    """Where `dev` keeps Temporal's database and `dev.json` (`EVERMOON_STATE`, `--state`)."""

    bundles: str | None = field(default=None, repr=False)
    """The bundle store that hosts share, a directory or the URL of a database (`EVERMOON_BUNDLES`, `--bundles`); None: `bundles` in
    `state`. Not shown: a URL may hold a password."""

    log_level: str = "info"
    """debug, info, warning or error (`EVERMOON_LOG_LEVEL`, `--log-level`)."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment as it was at start: what placeholders and `env.variable` entries see. Not shown: it holds secrets."""

    @classmethod
    def read(
        cls,
        *,
        registry: str | Path | None = None,
        overrides: Sequence[str] = (),
        state: str | Path | None = None,
        bundles: str | Path | None = None,
        log_level: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Settings from flags (None: not given) and an environment (default: this process's, copied now).

        Raises `Error` INVALID naming the variable or flag that does not parse.
        """
        env = dict(os.environ if environ is None else environ)
        level = (log_level or env.get(LOG_LEVEL) or "info").lower()
        if level not in _LEVELS:
            raise invalid(f"log level {level!r} is not one of {', '.join(_LEVELS)} (--log-level or {LOG_LEVEL})")
        return cls(
            registry=Path(registry or env.get(REGISTRY) or DEFAULT_REGISTRY),
            overrides=tuple(overrides),
            state=Path(state or env.get(STATE) or DEFAULT_STATE),
            bundles=str(bundles) if bundles else env.get(BUNDLES) or None,
            log_level=level,
            environ=MappingProxyType(env),
        )

    @property
    def bundle_place(self) -> str:
        """Where the bundle store is: a directory, or the URL of a database."""
        return self.bundles or str(self.state / "bundles")

    def with_environ(self, more: Mapping[str, Any]) -> Settings:
        """The same with variables added, e.g. those a companion process announced."""
        merged = {**self.environ, **{name: str(value) for name, value in more.items()}}
        return replace(self, environ=MappingProxyType(merged))
