"""The model: a Markov chain over the sentences of `corpus.txt`, small, real, and the same on every machine.

The token at a position depends on the prompt's seed, the position and the two tokens before it. So whoever has the tokens so
far can go on with them, in another process too, and comes to the same text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

from markovify.chain import BEGIN, END, Chain

CORPUS = Path(__file__).with_name("corpus.txt")
STATE = 2  # how many tokens the next one depends on
EMPTY = frozenset(["about", "does", "tell", "that", "what", "when", "where", "which", "with", "your"])


def token(seed: str, opening: Sequence[str], tokens: Sequence[str]) -> str:
    """What follows `tokens`, which began with the words of the opening. The first of a text has no space before it."""
    position = len(tokens)
    random = Random(f"{seed}/{position}")
    word = opening[position] if position < len(opening) else _next(random, _state(tokens))
    return word if position == 0 else f" {word}"


def ends_sentence(token: str) -> bool:
    return token.endswith(".")


def opening(prompt: str) -> list[str]:
    """How the sentence begins that has most of the prompt's words in it: rare words count for more, and those it begins with most."""
    wanted = _words(prompt)
    frequency = Counter(word for sentence in _sentences() for word in _words(" ".join(sentence)))

    def likeness(sentence: list[str]) -> float:
        beginning, all = _words(" ".join(sentence[:STATE])), _words(" ".join(sentence))
        return sum((3 if word in beginning else 1) / frequency[word] for word in wanted & all)

    return max(_sentences(), key=likeness)[:STATE]


def _state(tokens: Sequence[str]) -> tuple[str, ...]:
    """The last tokens of the sentence that is being written."""
    state: list[str] = []
    for word in reversed([token.strip() for token in tokens[-STATE:]]):
        if ends_sentence(word):
            break
        state.insert(0, word)
    return (BEGIN,) * (STATE - len(state)) + tuple(state)


def _next(random: Random, state: tuple[str, ...]) -> str:
    following = _chain().model[state]
    return str(random.choices(list(following), list(following.values()))[0])


@cache
def _chain() -> Chain:
    chain = Chain(_sentences(), STATE)
    assert all(END not in following or state[-1].endswith(".") for state, following in chain.model.items())
    return chain


@cache
def _sentences() -> list[list[str]]:
    return [line.split() for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def _words(text: str) -> set[str]:
    """Those that say what a text is about."""
    return set(re.findall(r"\w{4,}", text.lower())) - EMPTY
