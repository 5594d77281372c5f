"""A guard that keeps the process's locale from showing through Lua.

Lua asks C for character classes, case, the decimal point and the order of strings, and C asks the process's locale: two
workers with different ones would run one script differently. Python starts in the environment's LC_CTYPE, and any library
may set the rest.
"""

from __future__ import annotations

import locale

_PLAIN = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})


def pin() -> None:
    """Sets what Lua depends on to the C locale, where it is another. A UTF-8 LC_CTYPE stays: for single bytes it is C's.

    This is process-wide, as locales are: a host that formats numbers by locale should use a library that does not need
    `setlocale`. Quick when there is nothing to do, so it is called for every interpreter.
    """
    name = locale.setlocale(locale.LC_CTYPE)
    if name not in _PLAIN and not name.lower().replace("-", "").endswith("utf8"):
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    for category in (locale.LC_NUMERIC, locale.LC_COLLATE):
        if locale.setlocale(category) not in _PLAIN:
            locale.setlocale(category, "C")
