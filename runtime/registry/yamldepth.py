"""The test whether YAML text was refused for its depth, whatever the library says about it.

How deep text may be nested is for its reader to say, who counts levels as they come. But a scanner looks ahead for the end of a
key, and PyYAML has from 6.0.4 on a depth of its own at which that ends: before any of these levels has come.
"""

from __future__ import annotations

import yaml

#: A key ends within 1024 characters, by the specification; a little more, since marks are set before or after a token.
_AHEAD = 1100


def is_too_deep(text: str, error: yaml.YAMLError, levels: int) -> bool:
    """Whether more than `levels` brackets are opened, and not closed, just before the place where reading ended."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None:
        return False
    ahead = text[max(0, mark.index - _AHEAD) : mark.index + 1]
    opened = sum(ahead.count(bracket) for bracket in "[{")
    return opened - sum(ahead.count(bracket) for bracket in "]}") > levels
