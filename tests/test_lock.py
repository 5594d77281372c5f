"""`requirements.lock`, from which `make setup` installs: `pyproject.toml` has the ranges, and `make update` renews it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
_CONTINUED = re.compile(r"\\\n\s+")
_HASH = re.compile(r"\s+--hash=(sha256:[0-9a-f]{64})")


def _locked() -> dict[str, Requirement]:
    """The requirements of the lock by name, once each has been seen to have hashes."""
    locked = {}
    for line in _CONTINUED.sub(" ", LOCK).splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(_HASH.sub("", line))
            assert _HASH.findall(line), requirement.name
            locked[requirement.name] = requirement
    return locked


def _wanted() -> list[Requirement]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    texts = [*project["dependencies"], *project["optional-dependencies"]["dev"], *document["build-system"]["requires"]]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("wanted", _wanted(), ids=lambda wanted: wanted.name)
def test_each_dependency_is_locked_to_a_version_of_its_range(wanted: Requirement) -> None:
    [pin] = _locked()[wanted.name.lower()].specifier
    assert pin.operator == "=="
    assert wanted.specifier.contains(pin.version)


def test_the_lock_fits_every_machine() -> None:
    """It comes from no index in particular, and what only some machines need is marked."""
    assert "://" not in LOCK
    assert not re.search(r"^\s*-", re.sub(r"^\s+--hash=\S+", "", LOCK, flags=re.MULTILINE), re.MULTILINE)
    for wanted in _wanted():
        assert bool(_locked()[wanted.name.lower()].marker) or not wanted.marker


def test_everything_is_locked_once() -> None:
    names = re.findall(r"^([a-z0-9-]+)==", LOCK, re.MULTILINE)
    assert sorted(names) == sorted(set(names)) == sorted(_locked())
