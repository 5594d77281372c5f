"""Queues in Redis, which all processes share that can reach it.

Of one queue there are the ids that nobody has, by when they are due, the ids that somebody has, by when his lease ends, and a hash for each
message. Redis streams have neither a delay nor a way back for what was taken too early. Each change is one script, which Redis runs whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from runtime.modules.queue.message import QueueMessage, require_room
from runtime.modules.queue.store import QueueCounts, about, message_of
from runtime.modules.redis_client import asked, redis_client
from runtime.payload import Payload
from runtime.registry.kinds.queue import QueueDriverRedis, QueueEntry

#: KEYS: free, held, the counters. ARGV[1]: what the keys of messages begin with. A member is the order of publishing and the id; a message has the score that
#: it had before it was taken, so that it is where it was when its lease has run out.
_HEAD = """
local free, held, counters, head = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function is_mine(id, lease) return redis.call('HGET', head .. id, 'lease') == lease end
local function let_go(id, due)
  local member = redis.call('HGET', head .. id, 'member')
  redis.call('ZREM', held, member)
  redis.call('ZADD', free, due, member)
  redis.call('HSET', head .. id, 'due', due, 'lease', '')
end
"""
_SCRIPTS = {
    # id, encoding, body, about, size, attempt, delay, longest, largest
    "put": """
local id, size = ARGV[2], tonumber(ARGV[6])
if redis.call('EXISTS', head .. id) == 1 then return {1, 0, 0} end
local count = redis.call('ZCARD', free) + redis.call('ZCARD', held)
local bytes = tonumber(redis.call('HGET', counters, 'bytes') or 0)
if count >= tonumber(ARGV[9]) or bytes + size > tonumber(ARGV[10]) then return {0, count, bytes} end
local member = string.format('%016d', redis.call('HINCRBY', counters, 'last', 1)) .. id
local due = now + tonumber(ARGV[8])
redis.call('HSET', head .. id, 'id', id, 'encoding', ARGV[3], 'body', ARGV[4], 'about', ARGV[5], 'size', size,
  'attempt', ARGV[7], 'due', due, 'member', member, 'lease', '')
redis.call('ZADD', free, due, member)
redis.call('HINCRBY', counters, 'bytes', size)
return {1, 0, 0}
""",
    # token, lease
    "take": """
for _, member in ipairs(redis.call('ZRANGEBYSCORE', held, '-inf', now)) do
  local id = string.sub(member, 17)
  let_go(id, redis.call('HGET', head .. id, 'due'))
end
local member = redis.call('ZRANGEBYSCORE', free, '-inf', now, 'LIMIT', 0, 1)[1]
if not member then return false end
local id = string.sub(member, 17)
redis.call('ZREM', free, member)
redis.call('ZADD', held, now + tonumber(ARGV[3]), member)
redis.call('HINCRBY', head .. id, 'attempt', 1)
redis.call('HSET', head .. id, 'lease', ARGV[2])
return redis.call('HMGET', head .. id, 'id', 'encoding', 'body', 'about', 'attempt')
""",
    # lease, then id and token of each
    "renew": """
local kept = {}
for i = 3, #ARGV, 2 do
  if is_mine(ARGV[i], ARGV[i + 1]) then
    redis.call('ZADD', held, 'XX', now + tonumber(ARGV[2]), redis.call('HGET', head .. ARGV[i], 'member'))
    kept[#kept + 1] = ARGV[i]
  end
end
return kept
""",
    # id, token
    "untake": """
if not is_mine(ARGV[2], ARGV[3]) then return end
redis.call('HINCRBY', head .. ARGV[2], 'attempt', -1)
let_go(ARGV[2], redis.call('HGET', head .. ARGV[2], 'due'))
""",
    # id, token, delay
    "postpone": "if is_mine(ARGV[2], ARGV[3]) then let_go(ARGV[2], now + tonumber(ARGV[4])) end",
    # id, token, remember
    "remove": """
local key = head .. ARGV[2]
if not is_mine(ARGV[2], ARGV[3]) then return end
redis.call('ZREM', held, redis.call('HGET', key, 'member'))
redis.call('HINCRBY', counters, 'bytes', -redis.call('HGET', key, 'size'))
redis.call('DEL', key)
if tonumber(ARGV[4]) > 0 then
  redis.call('HSET', key, 'lease', 'gone')
  redis.call('PEXPIRE', key, ARGV[4])
end
""",
    "counts": """
local expired = redis.call('ZCOUNT', held, '-inf', now)
local all = redis.call('ZCARD', free) + redis.call('ZCARD', held)
return {all, tonumber(redis.call('HGET', counters, 'bytes') or 0), redis.call('ZCARD', held) - expired,
  redis.call('ZCOUNT', free, '(' .. now, '+inf')}
""",
}


class RedisQueueStore:
    def __init__(self, entry: QueueDriverRedis) -> None:
        """Raises `Error` INVALID, without the URL, which may hold a password. Does not connect yet."""
        self._id, self._prefix = entry.id, f"{entry.prefix}:queue"
        self._redis = redis_client(entry.id, entry.url)
        self._scripts = {name: self._redis.register_script(_HEAD + text) for name, text in _SCRIPTS.items()}

    async def put(self, entry: QueueEntry, message: QueueMessage) -> None:
        options, body = entry.driver_options, message.body
        done, count, size = await self._run(
            "put", entry.id, message.id, body.encoding, body.data, about(message), message.size, message.attempt,
            _ms(message.delay), options.max_length, options.max_bytes,
        )  # fmt: skip
        if not done:
            require_room(entry, count, size, message.size)

    async def take(self, queue: str, lease: float) -> QueueMessage | None:
        token = str(uuid.uuid4())
        found = await self._run("take", queue, token, _ms(lease))
        if not found:
            return None
        id, encoding, body, said, attempt = found
        return message_of(id.decode(), Payload(encoding.decode(), body), said, int(attempt), token)

    async def renew(self, queue: str, messages: Sequence[QueueMessage], lease: float) -> set[str]:
        named = [text for message in messages for text in (message.id, message.lease)]
        return {id.decode() for id in await self._run("renew", queue, _ms(lease), *named)}

    async def untake(self, queue: str, message: QueueMessage) -> None:
        await self._run("untake", queue, message.id, message.lease)

    async def postpone(self, queue: str, message: QueueMessage, delay: float) -> None:
        await self._run("postpone", queue, message.id, message.lease, _ms(delay))

    async def remove(self, queue: str, message: QueueMessage, remember: float) -> None:
        await self._run("remove", queue, message.id, message.lease, _ms(remember))

    async def counts(self, queue: str) -> QueueCounts:
        return QueueCounts(*await self._run("counts", queue))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, name: str, queue: str, *arguments: Any) -> Any:
        place = f"{self._prefix}:{{{queue}}}"
        keys = [f"{place}:free", f"{place}:held", f"{place}:counters"]
        async with asked(self._id):
            return await self._scripts[name](keys=keys, args=[f"{place}:m:", *arguments])


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
