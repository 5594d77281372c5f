"""Every function of every module, and what it does in a workflow and elsewhere. A function without a line fails.

"INVALID" and "absent" are tried out; the other words say where to look.
"""

from __future__ import annotations

from typing import Any

import pytest

from runtime.modules.catalogue import MODULES
from runtime.modules.definition import HOST
from runtime.testing import VirtualHost, program_from_source

#: function | in a workflow | elsewhere
TABLE = """
activity.heartbeat            | absent                  | records details; INVALID outside an activity
activity.idempotency_key      | absent                  | the key; INVALID outside an activity
activity.info                 | absent                  | the activity; INVALID outside an activity
activity.is_canceled          | absent                  | works
base64.decode                 | works                   | works
base64.encode                 | works                   | works
channel.new                   | works                   | works
channel.select                | works                   | works
crypto.constant_time_compare  | works                   | works
crypto.decrypt.aes            | works                   | works
crypto.decrypt.chacha20       | works                   | works
crypto.encrypt.aes            | nonce of the run        | works
crypto.encrypt.chacha20       | nonce of the run        | works
crypto.hmac.sha256            | works                   | works
crypto.hmac.sha512            | works                   | works
crypto.jwt.encode             | works                   | works
crypto.jwt.verify             | by the workflow's clock | works
crypto.pbkdf2                 | works                   | works
crypto.random.bytes           | from the run's seed     | works
crypto.random.string          | from the run's seed     | works
crypto.random.uuid            | from the run's seed     | works
ctx.all                       | works                   | works
ctx.get                       | works                   | works
env.get                       | absent                  | works
env.get_all                   | absent                  | works
env.set                       | absent                  | works
errors.call_stack             | works                   | works
errors.is                     | works                   | works
errors.new                    | works                   | works
errors.wrap                   | works                   | works
events.send                   | absent                  | works
events.subscribe              | absent                  | works
expr.compile                  | works                   | works
expr.eval                     | works                   | works
funcs.all                     | works                   | works
funcs.any                     | works                   | works
funcs.async                   | an activity             | runs here
funcs.call                    | an activity             | runs here
funcs.new                     | works                   | works
hash.fnv32                    | works                   | works
hash.fnv64                    | works                   | works
hash.hmac_md5                 | works                   | works
hash.hmac_sha1                | works                   | works
hash.hmac_sha256              | works                   | works
hash.hmac_sha512              | works                   | works
hash.md5                      | works                   | works
hash.sha1                     | works                   | works
hash.sha256                   | works                   | works
hash.sha512                   | works                   | works
http.request                  | absent                  | the request of a handler
http.response                 | absent                  | the response of a handler
http_client.delete            | absent                  | works
http_client.get               | absent                  | works
http_client.head              | absent                  | works
http_client.patch             | absent                  | works
http_client.post              | absent                  | works
http_client.put               | absent                  | works
http_client.request           | absent                  | works
http_client.request_batch     | absent                  | works
json.array                    | works                   | works
json.decode                   | works                   | works
json.encode                   | works                   | works
json.object                   | works                   | works
json.validate                 | works                   | works
json.validate_string          | works                   | works
os.clock                      | the workflow's clock    | works
os.date                       | the workflow's clock    | works
os.difftime                   | works                   | works
os.time                       | the workflow's clock    | works
outcome.fail                  | works                   | works
outcome.ok                    | works                   | works
outcome.retry                 | works                   | works
operation.find                | absent                  | works with a server
operation.start               | absent                  | works with a server
outbox.add                    | absent                  | works in a transaction; INVALID outside one
payload.bytes                 | works                   | works
payload.new                   | works                   | works
print                         | silent while replaying  | works
process.cancel                | an external cancel      | works
process.events                | works                   | works
process.exec                  | a child workflow        | a workflow or process
process.get_options           | works                   | works
process.id                    | works                   | works
process.inbox                 | fed by signals          | works
process.link                  | INVALID                 | works
process.listen                | fed by signals          | works
process.monitor               | INVALID                 | works
process.pid                   | works                   | works
process.query                 | INVALID                 | asks a workflow
process.registry.lookup       | INVALID                 | works
process.registry.register     | INVALID                 | works
process.registry.unregister   | INVALID                 | works
process.send                  | an external signal      | a signal, or into a mailbox
process.set_options           | works                   | works
process.spawn                 | a child workflow        | a workflow or process
process.spawn_linked          | a child workflow        | a workflow or process
process.spawn_linked_monitored | a child workflow       | a workflow or process
process.spawn_monitored       | a child workflow        | a workflow or process
process.terminate             | by a system activity    | works
process.unlink                | INVALID                 | works
process.unlisten              | works                   | works
process.unmonitor             | INVALID                 | works
process.upgrade               | continue-as-new         | new code, same PID
process.with_context          | works                   | works
process.with_message          | works                   | works
process.with_name             | works                   | works
process.with_options          | works                   | works
queue.info                    | absent                  | works
queue.message                 | absent                  | INVALID
queue.publish                 | absent                  | works
saga.new                      | works                   | works
security.actor                | absent                  | works
security.can                  | absent                  | works
security.named_scope          | absent                  | works
security.new_actor            | absent                  | works
security.new_scope            | absent                  | works
security.policy               | absent                  | works
security.scope                | absent                  | works
sql.get                       | absent                  | works
store.get                     | absent                  | works
stream.publish                | absent                  | works
stream.subscribe              | absent                  | works
text.regexp.compile           | works                   | works
text.splitter.recursive       | works                   | works
time.after                    | a durable timer         | works
time.date                     | works                   | works
time.fixed_zone               | works                   | works
time.load_location            | works                   | works
time.now                      | the workflow's clock    | works
time.parse                    | works                   | works
time.parse_duration           | works                   | works
time.sleep                    | a durable timer         | works
time.ticker                   | durable timers          | works
time.timer                    | a durable timer         | works
time.unix                     | works                   | works
uuid.format                   | works                   | works
uuid.parse                    | works                   | works
uuid.v1                       | from the run's seed     | works
uuid.v3                       | works                   | works
uuid.v4                       | from the run's seed     | works
uuid.v5                       | works                   | works
uuid.v7                       | from the run's seed     | works
uuid.validate                 | works                   | works
uuid.variant                  | works                   | works
uuid.version                  | works                   | works
workflow.attrs                | works                   | INVALID
workflow.continue_as_new_suggested | works              | INVALID
workflow.deprecate_patch      | works                   | INVALID
workflow.detached             | works                   | INVALID
workflow.exec                 | a child workflow        | INVALID
workflow.history_length       | works                   | INVALID
workflow.history_size         | works                   | INVALID
workflow.info                 | works                   | INVALID
workflow.patched              | works                   | INVALID
workflow.publish              | to who follows the run  | INVALID
workflow.query                | works                   | INVALID
workflow.status               | works                   | INVALID
workflow.update               | works                   | INVALID
workflow.version              | works                   | INVALID
workflow.wait                 | works                   | INVALID
yaml.decode                   | works                   | works
yaml.encode                   | works                   | works
"""

ROWS = {
    name.strip(): (workflow.strip(), elsewhere.strip())
    for name, workflow, elsewhere in (line.split("|") for line in TABLE.strip().splitlines())
}

_LIST = """
local function walk(name, value, found)
  if type(value) == "function" then found[#found + 1] = name end
  if type(value) == "table" then
    for key, item in pairs(value) do walk(name .. "." .. key, item, found) end
  end
  return found
end
return function(name) return walk(name, require(name), {}) end
"""
_CALL = """
return function(module, path)
  local fn = require(module)
  for key in path:gmatch("[^.]+") do fn = fn[key] end
  local value, err = fn("x")
  return { value = value, kind = err and err:kind() }
end
"""


def _run(source: str, module: str, kind: str, *args: Any) -> Any:
    host = VirtualHost(program_from_source(source, modules=[module]), kind=kind)
    try:
        return host.run(module, *args)
    finally:
        host.close()


@pytest.mark.parametrize("kind", ["workflow", "function"])
@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_function_has_a_line(module: str, kind: str) -> None:
    exported = set(_run(_LIST, module, kind))
    listed = {name for name in ROWS if name.partition(".")[0] == module}
    assert exported == listed


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_cannot_be_used_says_so(name: str) -> None:
    module, _, path = name.partition(".")
    in_workflow, elsewhere = ROWS[name]
    assert (in_workflow == "absent") == (MODULES[module].classes == {HOST})
    for kind, word in (("workflow", in_workflow), ("function", elsewhere)):
        if word == "INVALID":
            assert _run(_CALL, module, kind, path) == {"kind": "Invalid"}
