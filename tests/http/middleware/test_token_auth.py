"""For whom a request is, by its token, and what becomes of that: over the wire, to a handler, a run, an activity, a child."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from runtime.app.runtime import Runtime
from runtime.errors import INVALID, Error
from runtime.temporal.dev_server import DevServer
from tests.definitions import with_worker, write
from tests.http.serving import entries, serving
from tests.http.site import Site
from tests.waiting import eventually

KEY = "a key for tests, which is 32 bytes or more"
HANDLERS = """
    local security, funcs = require("security"), require("funcs")
    function H.who()
        local actor, scope = security.actor(), security.scope()
        return { id = actor and actor:id() or "", meta = actor and actor:meta(), scope = scope and tostring(scope) or "" }
    end
    function H.calls() return funcs.call("web:who") end
    function H.can() return { can = (security.can("read", "doc:1")) } end
"""
ROUTES = """
    GET /who who
    GET /calls calls
    GET /can can
"""
POLICIES = (
    '{name: callers, kind: security.policy, groups: [staff], policy: {actions: funcs.call, resources: "web:*", effect: allow}}',
    '{name: readers, kind: security.policy, groups: [staff], policy: {actions: read, resources: "*", effect: allow}}',
)
VARIABLE = "{name: ops, kind: env.variable, variable: OPS_TOKEN, secret: true}"
SIGNING = "{name: key, kind: env.variable, variable: SIGNING_KEY, secret: true}"
ENVIRON = {"OPS_TOKEN": "ops-token", "SIGNING_KEY": KEY}


def site(directory: Path, options: str, environ: Mapping[str, str] = ENVIRON) -> Any:
    router = f"middleware: [token_auth], options: {{{options}}}"
    text = entries(ROUTES, *POLICIES, VARIABLE, SIGNING, router=router)
    listed = text.replace("modules: [http, json, time]", "modules: [http, json, time, security, funcs]")
    return serving(directory, listed, HANDLERS, environ)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed(key: Any = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    fields = {"sub": "ann", "exp": int(time.time()) + 3600, **claims}
    return jwt.encode({name: value for name, value in fields.items() if value is not None}, key, algorithm)


@pytest.mark.parametrize(
    ("options", "token", "who"),
    [
        ("token_auth.tokens: one", "one", ("web:r", "")),
        ("token_auth.tokens: one, token_auth.actor: service", "one", ("service", "")),
        ("token_auth.variables: ops", "ops-token", ("web:ops", "")),
        ("token_auth.tokens: one, token_auth.scope: [staff]", "one", ("web:r", "security.Scope{web:staff}")),
        ("token_auth.tokens: one, token_auth.scope: 'web:readers, callers'", "one", ("web:r", "security.Scope{web:readers, web:callers}")),
        ("token_auth.tokens: one, token_auth.scope: []", "one", ("web:r", "security.Scope{}")),
        (f"token_auth.hashes: {hashlib.sha256(b'one').hexdigest()}", "one", ("web:r", "")),
    ],
)  # fmt: skip
async def test_a_token_says_for_whom(tmp_path: Path, options: str, token: str, who: tuple[str, str]) -> None:
    async with site(tmp_path, options) as web:
        answer = await web.get("/who", headers=bearer(token))
        assert (answer.json["id"], answer.json["scope"]) == who
        for wrong in ("", "two", hashlib.sha256(b"one").hexdigest()):
            refused = await web.get("/who", headers=bearer(wrong))
            assert (refused.status, refused.headers["Content-Type"]) == (401, "application/problem+json; charset=utf-8")


async def test_a_signed_token_brings_its_actor_and_scope(tmp_path: Path) -> None:
    async with site(tmp_path, "token_auth.jwt.variable: key, token_auth.scope: staff") as web:
        for claims, scope in (
            ({}, "security.Scope{web:staff}"),
            ({"scope": ["web:readers"]}, "security.Scope{web:readers}"),
            ({"scope": "web:readers callers"}, "security.Scope{web:readers, web:callers}"),
            ({"scope": ""}, "security.Scope{}"),
        ):
            answer = await web.get("/who", headers=bearer(signed(meta={"role": "clerk"}, **claims)))
            assert answer.json == {"id": "ann", "meta": {"role": "clerk"}, "scope": scope}


async def test_one_that_is_not_well_signed_is_none(tmp_path: Path) -> None:
    now = int(time.time())
    tokens = [
        signed(exp=now - 60),
        signed(exp=None),
        signed(sub=None),
        signed(sub=""),
        signed(nbf=now + 3600),
        signed(key="another key, which is also of 32 bytes or more"),
        signed(key=KEY * 2, algorithm="HS512"),
        signed(scope=5),
        signed(scope=["web:readers", 5]),
        jwt.encode({"sub": "ann", "exp": now + 3600}, "", algorithm="none"),
        signed()[:-4] + "AAAA",
        signed().rpartition(".")[0] + ".",
        "a.b.c",
        "..",
    ]
    async with site(tmp_path, "token_auth.jwt.key: '${env:SIGNING_KEY}'") as web:
        assert (await web.get("/who", headers=bearer(signed()))).status == 200
        answers = [await web.get("/who", headers=bearer(token)) for token in tokens]
        assert [(answer.status, answer.json["kind"]) for answer in answers] == [(401, "PermissionDenied")] * len(tokens)


async def test_issuer_and_audience_are_held_to(tmp_path: Path) -> None:
    options = "token_auth.jwt.variable: key, token_auth.jwt.issuer: us, token_auth.jwt.audience: shop"
    async with site(tmp_path, options) as web:
        for claims, status in (
            ({"iss": "us", "aud": "shop"}, 200),
            ({"iss": "us", "aud": ["other", "shop"]}, 200),
            ({"iss": "us", "aud": "other"}, 401),
            ({"iss": "them", "aud": "shop"}, 401),
            ({"aud": "shop"}, 401),
            ({"iss": "us"}, 401),
        ):
            assert (await web.get("/who", headers=bearer(signed(**claims)))).status == status


async def test_a_public_key_makes_no_tokens(tmp_path: Path) -> None:
    """A token signed with the public key as if it were a shared secret is the oldest trick there is."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    environ = {**ENVIRON, "SIGNING_KEY": public}
    async with site(tmp_path, "token_auth.jwt.variable: key, token_auth.jwt.algorithm: ES256", environ) as web:
        assert (await web.get("/who", headers=bearer(signed(secret, "ES256")))).json["id"] == "ann"
        header, claims, _ = signed().split(".")
        key = jwt.get_algorithm_by_name("HS256")
        signature = key.sign(f"{header}.{claims}".encode(), public.strip().encode())
        token = f"{header}.{claims}.{jwt.utils.base64url_encode(signature).decode()}"
        assert (await web.get("/who", headers=bearer(token))).status == 401


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        ("token_auth.jwt.variable: key", {"SIGNING_KEY": "short"}, "shorter than 32 bytes"),
        ("token_auth.jwt.variable: key, token_auth.jwt.algorithm: ES256", {"SIGNING_KEY": KEY}, "is none for ES256"),
        ("token_auth.jwt.variable: key", {}, "key has no value"),
    ],
)
async def test_a_key_that_will_not_do_does_not_start(
    tmp_path: Path, options: str, environ: dict[str, str], told: str
) -> None:
    with pytest.raises(Error, match=told) as refused:
        async with site(tmp_path, options, environ):
            pass
    assert refused.value.kind == INVALID
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("token_auth.tokens: one, token_auth.scope: nobody", "web:nobody is neither a security.policy nor a group"),
        ("token_auth.hashes: one", "expects SHA-256 digests"),
        ("token_auth.jwt.variable: nowhere", "web:nowhere is no env.variable"),
        ("token_auth.jwt.key: k, token_auth.jwt.algorithm: none", "token_auth.jwt.algorithm"),
    ],
)
async def test_what_cannot_be_meant_does_not_load(tmp_path: Path, options: str, told: str) -> None:
    with pytest.raises(Error, match=told):
        async with site(tmp_path, options):
            pass


async def test_a_handler_and_what_it_calls_are_held_to_the_scope(tmp_path: Path) -> None:
    async with site(tmp_path, "token_auth.jwt.variable: key") as web:
        readers, staff = bearer(signed(scope=["web:readers"])), bearer(signed(scope=["web:staff"]))
        refused = await web.get("/calls", headers=readers)
        assert (refused.status, refused.json["kind"]) == (403, "PermissionDenied")
        assert refused.json["details"] == {"action": "funcs.call", "resource": "web:who", "actor": "ann"}
        assert (await web.get("/calls", headers=staff)).json["id"] == "ann"
        assert (await web.get("/can", headers=readers)).json == {"can": True}
        assert (await web.get("/calls", headers=bearer(signed()))).json["scope"] == ""


# With Temporal

APPLICATION = with_worker(
    """
  - {name: server, kind: http.service, addr: "127.0.0.1:0"}
  - name: api
    kind: http.router
    server: server
    prefix: /
    middleware: [token_auth]
    options: {token_auth.jwt.key: KEY}
  - {name: starts, kind: http.endpoint, router: api, method: POST, path: /start, func: start}
  - {name: start, kind: function.lua, source: file://start.lua, modules: [process]}
  - {name: order, kind: workflow.lua, source: file://order.lua, modules: [funcs, workflow], meta: &runs {temporal: {workflow: {worker: worker}}}}
  - {name: part, kind: workflow.lua, source: file://part.lua, modules: [funcs], meta: *runs}
  - {name: who, kind: function.lua, source: file://who.lua, modules: [security, funcs], meta: {temporal: {activity: {worker: worker}}}}
  - {name: inner, kind: function.lua, source: file://inner.lua, modules: [security]}
  - name: clerks
    kind: security.policy
    policy:
      actions: [funcs.call, process.spawn, process.exec, process.send, process.read, registry.read]
      resources: ["web:who", "web:inner", "web:order", "web:part", "mine-*"]
      effect: allow
""",
    namespace="web",
)
SCRIPTS = {
    "start.lua": 'return function() return process.with_name("mine-" .. http_id()):exec("web:order", "web:worker") end',
    "order.lua": """
        return function()
          local refused = { select(2, funcs.call("web:start")):message(), select(2, process.send("{x|theirs}", "t")):message() }
          return { activity = funcs.call("web:who"), child = workflow.exec("web:part"), refused = refused }
        end
    """,
    "part.lua": 'return function() return funcs.call("web:who") end',
    "who.lua": 'return function() return { security.actor():id(), security.actor():meta().role, funcs.call("web:inner") } end',
    "inner.lua": "return function() return security.actor():id() .. tostring(security.scope()) end",
}  # fmt: skip
CLERK = {"meta": {"role": "clerk"}, "scope": ["web:clerks"]}
EVERYWHERE = ["ann", "clerk", "annsecurity.Scope{web:clerks}"]
REFUSED = ["funcs.call on web:start is not allowed to ann", "process.send on theirs is not allowed to ann"]


@pytest.fixture(scope="module")
async def shop(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory = tmp_path_factory.mktemp("shop")
    for name, text in SCRIPTS.items():
        (directory / name).write_text(text.replace("http_id()", f'"{uuid.uuid4()}"'))
    write(directory, APPLICATION.replace("KEY", f'"{KEY}"'))
    async with (
        Runtime.open(directory, temporal=temporal_server.address, http=True, environ={}) as runtime,
        aiohttp.ClientSession() as session,
    ):
        yield Site(runtime, session)


def headers(**claims: Any) -> dict[str, str]:
    return bearer(signed(**{**CLERK, **claims}))


async def test_actor_and_scope_go_from_the_request_to_the_last_function(shop: Site) -> None:
    """Handler → workflow → activity → function, and workflow → child → activity."""
    answer = await shop.post("/start", headers=headers())
    assert answer.json == {"activity": EVERYWHERE, "child": EVERYWHERE, "refused": REFUSED}


async def test_a_run_that_the_api_starts_is_for_whoever_asked(shop: Site) -> None:
    run = f"mine-{uuid.uuid4()}"
    answer = await shop.post(f"/api/v1/workflows/web:order?id={run}", headers=headers())
    assert answer.status == 202, answer.text
    result = await shop.get(f"/api/v1/runs/{run}/result?wait=60", headers=headers())
    assert result.json == {"activity": EVERYWHERE, "child": EVERYWHERE, "refused": REFUSED}
    seen = await shop.get(f"/api/v1/runs/{run}/result?wait=60", headers=headers(scope=None))
    assert seen.json == result.json


@pytest.mark.parametrize(
    ("method", "path", "action", "resource"),
    [
        ("POST", "/api/v1/workflows/web:order", "process.spawn", "web:order"),
        ("GET", "/api/v1/runs/theirs", "process.read", "theirs"),
        ("GET", "/api/v1/runs/%7Bmine-1%7Ctheirs%7D", "process.read", "theirs"),
        ("GET", "/api/v1/runs/theirs/result", "process.read", "theirs"),
        ("GET", "/api/v1/runs/theirs/events", "process.read", "theirs"),
        ("GET", "/api/v1/runs/theirs/history", "process.read", "theirs"),
        ("POST", "/api/v1/runs/theirs/signals/go", "process.send", "theirs"),
        ("POST", "/api/v1/runs/mine-1/queries/q", "process.query", "mine-1"),
        ("POST", "/api/v1/runs/mine-1/updates/u", "process.update", "mine-1"),
        ("POST", "/api/v1/runs/mine-1/cancel", "process.cancel", "mine-1"),
        ("POST", "/api/v1/runs/mine-1/terminate", "process.terminate", "mine-1"),
    ],
)
async def test_what_the_api_does_is_asked(shop: Site, method: str, path: str, action: str, resource: str) -> None:
    scope = [] if action == "process.spawn" else ["web:clerks"]
    answer = await shop.ask(method, path, headers=headers(scope=scope))
    assert (answer.status, answer.json["kind"]) == (403, "PermissionDenied")
    assert answer.json["details"] == {"action": action, "resource": resource, "actor": "ann"}


async def test_lists_leave_out_what_may_not_be_read(shop: Site) -> None:
    def found(answer: Any, key: str) -> list[str]:
        return [item["id"] for item in answer.json[key]]

    run = f"theirs-{uuid.uuid4()}"
    everything = headers(scope=None)
    assert (await shop.post(f"/api/v1/workflows/web:order?id={run}", headers=everything)).status == 202
    await shop.get(f"/api/v1/runs/{run}/result?wait=60", headers=everything)
    listing = f"/api/v1/runs?query=WorkflowId%3D%22{run}%22"
    await eventually(lambda: shop.get(listing, headers=everything), lambda answer: found(answer, "runs"), every=0.1)
    assert (await shop.get(listing, headers=everything)).json["count"] == 1
    assert (await shop.get(listing, headers=headers())).json == {"runs": [], "count": 0, "page": 1}
    assert found(await shop.get("/api/v1/entries", headers=headers()), "entries") == ["web:order", "web:part"]
    assert found(await shop.get("/api/v1/entries", headers=headers(scope=[])), "entries") == []
    assert (await shop.get("/api/v1/entries/web:order", headers=headers(scope=[]))).status == 403


@pytest.mark.parametrize("door", ["workflows", "operations"])
async def test_a_key_is_that_of_the_actor_who_used_it(shop: Site, door: str) -> None:
    """Another actor with the same key gets a run of its own, whatever it sends, and learns nothing of the first."""
    key = uuid.uuid4().hex

    async def post(actor: str, body: Any, **claims: Any) -> Any:
        sent = body
        if door == "operations":
            sent = {"domain": "d", "event_type": "e", "biz_key": "b", "idem_key": key, "payload": body}
        sending = {**bearer(signed(sub=actor, **claims)), "Idempotency-Key": key}
        return await shop.post(f"/api/v1/{door}/web:order", sent, headers=sending)

    first, other, different = await post("ann", 1), await post("bob", 1), await post("cleo", 2)
    answers = [first, other, different]
    assert [answer.status for answer in answers] == [202] * 3
    assert len({answer.json["id"] for answer in answers}) == 3
    assert all("Idempotency-Replayed" not in answer.headers for answer in answers)
    again = await post("ann", 1, meta={"role": "clerk"}, exp=int(time.time()) + 60)
    assert (again.json["id"], again.headers["Idempotency-Replayed"]) == (first.json["id"], "true")
    assert (await post("ann", 2)).status == 422
