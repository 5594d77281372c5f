from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import INVALID, Error
from runtime.settings import Settings


def test_a_flag_beats_the_environment_which_beats_the_default() -> None:
    environ = {"EVERMOON_REGISTRY": "from/env.yaml", "EVERMOON_STATE": "env-state"}
    settings = Settings.read(registry="flag.yaml", environ=environ)
    assert settings.registry == Path("flag.yaml")
    assert settings.state == Path("env-state")
    assert Settings.read(environ={}).registry == Path("config/registry.yaml")


def test_bundles_are_kept_in_the_state_unless_said_otherwise() -> None:
    environ = {"EVERMOON_STATE": "env-state", "EVERMOON_BUNDLES": "shared"}
    assert Settings.read(bundles="flag", environ=environ).bundle_place == "flag"
    assert Settings.read(environ=environ).bundle_place == "shared"
    assert Settings.read(environ={"EVERMOON_STATE": "env-state"}).bundle_place == str(Path("env-state/bundles"))


def test_a_bad_log_level_names_where_it_came_from() -> None:
    with pytest.raises(Error, match="EVERMOON_LOG_LEVEL") as refused:
        Settings.read(environ={"EVERMOON_LOG_LEVEL": "loud"})
    assert refused.value.kind == INVALID


def test_the_environment_is_a_copy_and_never_shown() -> None:
    environ = {"SECRET": "hush"}
    settings = Settings.read(environ=environ)
    environ["SECRET"] = "changed"
    assert settings.environ["SECRET"] == "hush"
    assert "hush" not in repr(settings)


def test_more_variables_make_another_settings() -> None:
    settings = Settings.read(environ={"A": "1"})
    assert dict(settings.with_environ({"B": 2}).environ) == {"A": "1", "B": "2"}
    assert dict(settings.environ) == {"A": "1"}
