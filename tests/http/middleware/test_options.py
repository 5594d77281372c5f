"""Options of middleware are judged when the registry is loaded, each mistake at its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.http.middleware.options import MODELS
from runtime.registry import RegistryError
from tests.http.serving import entries, load

PAGE = (Path(__file__).parents[3] / "docs" / "http.md").read_text()


def router(directory: Path, middleware: str, options: str, *more: str) -> list[str]:
    """The problems and notes of a registry whose router has these."""
    text = entries("", *more, router=f"middleware: [{middleware}], options: {options}")
    try:
        return [str(note) for note in load(directory, text).notes]
    except RegistryError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("middleware", "options", "told"),
    [
        ("cors", "{cors.allow.origin: localhost}", 'no cors.allow.origin; did you mean "cors.allow.origins"?'),
        ("cors", "{cors.allow.origins: localhost:3000}", "cors.allow.origins"),
        ("cors", "{cors.allow.origins: 'https://x.example/path'}", "cors.allow.origins"),
        ("cors", "{cors.allow.methods: 'GET,FETCH'}", "cors.allow.methods"),
        ("cors", '{cors.allow.headers: "X-A\\r\\nX-B: 1"}', "cors.allow.headers"),
        ("cors", "{cors.allow.credentials: true}", "cors.allow.credentials needs cors.allow.origins"),
        ("cors", "{cors.max.age: -1}", "cors.max.age"),
        ("ratelimit", "{ratelimit.requests: 0}", "ratelimit.requests"),
        ("ratelimit", "{ratelimit.interval: 0s}", "ratelimit.interval"),
        ("ratelimit", "{ratelimit.interval: soon}", "ratelimit.interval"),
        ("ratelimit", "{ratelimit.key: 'cookie:a'}", "ratelimit.key"),
        ("compress", "{compress.level: most}", "compress.level"),
        ("real_ip", "{real_ip.trusted.subnets: 10.0.0.0/99}", "real_ip.trusted.subnets"),
        ("token_auth", "{}", "token_auth needs token_auth.variables or token_auth.tokens"),
        ("token_auth", "{token_auth.variables: nowhere}", "web:nowhere is no env.variable"),
        ("token_auth", "{token_auth.tokens: t, token_auth.header.name: 'a b'}", "token_auth.header.name"),
        ("metrics", "{metrics.path: /m}", "no metrics.path"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, middleware: str, options: str, told: str) -> None:
    [problem] = router(tmp_path, middleware, options)
    assert problem.startswith(f"{tmp_path / 'registry.yaml'}:6: web:r: options: ")
    assert told in problem


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(router(tmp_path, "cors, ratelimit", "{cors.max.age: -1, ratelimit.requests: 0, x.y: 1}")) == 3


def test_options_of_what_is_not_listed_are_noted(tmp_path: Path) -> None:
    [note] = router(tmp_path, "cors", "{ratelimit.requests: 1}")
    assert "note: options: ratelimit.requests does nothing" in note


@pytest.mark.parametrize(
    "options",
    [
        "{cors.allow.origins: '${env:ORIGINS}', cors.max.age: '${env:AGE}'}",
        "{cors: {allow: {origins: [localhost, 'https://x.example']}, max: {age: '60'}}}",
        "{cors.allow.origins: '*', cors.expose.headers: [X-A, X-B]}",
    ],
    ids=["placeholders", "nested", "lists"],
)
def test_options_may_be_written_in_several_ways(tmp_path: Path, options: str) -> None:
    assert router(tmp_path, "cors", options) == []


def test_no_token_is_ever_in_a_problem(tmp_path: Path) -> None:
    told = router(tmp_path, "token_auth", "{token_auth.tokens: {s3cret: 1}, token_auth.variables: [{s3cret: 2}]}")
    assert told
    assert "s3cret: " not in "".join(told)


def test_every_option_is_on_its_page() -> None:
    known = [field.alias for model in MODELS.values() for field in model.model_fields.values()]
    assert [option for option in known if f"`{option}`" not in PAGE] == []
