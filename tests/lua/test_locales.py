"""A script runs alike whatever locale its process is in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = r"""
import locale, sys
print(locale.setlocale(locale.LC_ALL, "").split(";")[0])
from tests.support import run
body = "return {string.find('\\xe4', '%a') ~= nil, ('\\xc4'):lower() == '\\xe4', tostring(0.5), 'b' < 'B'}"
print(run(body))
"""
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", ["C", "C.UTF-8", "de_DE.ISO-8859-1", "de_DE.UTF-8"])
def test_the_locale_does_not_show(name: str, tmp_path: Path) -> None:
    language, _, charset = name.partition(".")
    if language == "de_DE":
        made = subprocess.run(
            ["localedef", "-i", language, "-f", charset, str(tmp_path / name)], capture_output=True, check=False
        )
        if not (tmp_path / name).exists():
            pytest.skip(f"this machine cannot make the locale {name}: {made.stderr.decode()[-200:]}")
    environ = {**os.environ, "LOCPATH": str(tmp_path), "LC_ALL": name}
    if language == "C":
        del environ["LOCPATH"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    used, result = done.stdout.splitlines()
    assert used == name
    assert result == "[False, False, '0.5', False]"
