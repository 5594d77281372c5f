"""The pages for people: two that need nothing from anywhere else, not even a script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from runtime.errors import HTTP_STATUS, MEANINGS, NOT_RETRIED
from runtime.http.docs.openapi import phrase
from runtime.http.problem import OWN_KINDS, RUN_FAILED, slug

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
code, pre, summary b { font-family: ui-monospace, monospace; font-size: .9em; }
details { border: 1px solid #ccc; border-radius: 4px; margin: .4rem 0; padding: .3rem .8rem; }
summary { cursor: pointer; } summary b { display: inline-block; min-width: 4em; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; border-bottom: 1px solid #ddd; }
pre { background: #f5f5f5; padding: .6rem; overflow-x: auto; } :target { background: #ffd; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } pre { background: #222; } :target { background: #443; } }
"""


def api_page(document: Mapping[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(found)}" for name, found in groups.items())
    schemas = "".join(
        f'<details id="schema-{escape(name)}"><summary><b>{escape(name)}</b></summary>{_json(schema)}</details>'
        for name, schema in document["components"]["schemas"].items()
    )
    intro = (
        '<p>For machines: <a href="/openapi.json">/openapi.json</a>. '
        'A failure is a <a href="#schema-Problem">problem</a> (RFC 9457), whose kind <a href="/docs/errors">says what to do</a>.</p>'
    )
    return _page("What this server answers", f"{intro}{body}<h2>Schemas</h2>{schemas}")


def errors_page() -> str:
    """Its anchors are where the `type` of a problem leads."""
    rows = "".join(
        f'<tr id="{slug(kind)}"><td><code>{escape(kind) or "&quot;&quot;"}</code></td><td>{HTTP_STATUS.get(kind, 500)}</td>'
        f"<td>{'no' if kind in NOT_RETRIED else 'yes'}</td><td>{escape(meaning)}</td></tr>"
        for kind, meaning in MEANINGS.items()
    )
    own = (
        f'<tr id="{OWN_KINDS}"><td>any other</td><td>500</td><td>yes</td>'
        "<td>A kind of the application's own: its scripts say what it means.</td></tr>"
    )
    failed = (
        f'<tr id="{RUN_FAILED}"><td>the run\'s</td><td>409</td><td>no</td>'
        "<td>The request is well and the run has ended without a result: its status, and the kind, message and details of its error are "
        "in the document. Asking again gives the same answer; another run may do better.</td></tr>"
    )
    head = "<tr><th>kind</th><th>status</th><th>worth another try</th><th></th></tr>"
    note = "<p>Whether to try again is what <code>retryable</code> of the problem says; this is what it says when its author did not.</p>"
    return _page("Kinds of errors", f"<table>{head}{rows}{own}{failed}</table>{note}")


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td><td>{escape(item.get('description', ''))}</td></tr>"
        for item in operation["parameters"]
    )
    answers = "".join(
        f"<tr><td>{status} {escape(phrase(status))}</td><td>{escape(answer['description'])}</td><td>{_contents(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    body = operation.get("requestBody")
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        + (f"<h4>Parameters</h4><table>{parameters}</table>" if parameters else "")
        + (f"<h4>Body</h4>{_contents(body)}" if body else "")
        + f"<h4>Answers</h4><table>{answers}</table></details>"
    )


def _contents(described: Mapping[str, Any]) -> str:
    return "".join(
        f"<code>{escape(kind)}</code>{_schema(content['schema'])}"
        for kind, content in described.get("content", {}).items()
    )


def _schema(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return f' <a href="#schema-{escape(name)}">{escape(name)}</a>'
    return _json(schema) if schema and schema != {"type": "string"} else ""


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False, default=str))}</pre>"


def _page(title: str, body: str) -> str:
    parts: Iterable[str] = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>",
    )
    return "".join(parts)
