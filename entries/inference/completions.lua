--- POST /v1/chat/completions, in the shape of OpenAI's. The answer is a run's, whose id is the answer's: neither a connection
-- that breaks nor a process that dies on either side loses anything of it.

local errors = require("errors")
local hash = require("hash")
local http = require("http")
local json = require("json")
local process = require("process")
local stream = require("stream")
local uuid = require("uuid")

local wire = require("wire")

local PATIENCE <const> = "10s" -- between two signs of life on a quiet connection

local M = {}

--- The same `Idempotency-Key` with the same request means the same answer, which is made once.
local function id_for(request, key)
  local name = key and hash.sha256(key .. "\n" .. json.encode(request)):sub(1, 32) or uuid.v7()
  return "chatcmpl-" .. name
end

local function begin(id, request)
  local spawner = process.with_options({
    ["workflow.id"] = id,
    ["workflow.id_conflict_policy"] = "use_existing",
    ["workflow.id_reuse_policy"] = "reject_duplicate",
  })
  local _, refused = spawner:spawn("inference:generate", "inference:cpu", request)
  if refused and not errors.is(refused, errors.ALREADY_EXISTS) then
    return nil, refused
  end
  return true
end

--- How a run ended that has no result.
local function failure(event)
  local told = event.error or {}
  local message = told.message or event.reason or ("the answer was " .. event.event)
  return errors.new({ kind = told.kind or errors.CANCELED, message = message })
end

local function unfollowed(id)
  local message = "there is nothing more to hear of " .. id
  return errors.new({ kind = errors.UNAVAILABLE, message = message })
end

--- What happens to a run, event by event, until it ends; nothing while it is quiet, so that a client can be told so.
-- Where this host lost the run from sight it looks for it again, from the last event on.
local function follow(id, name, after)
  local events, unknown = stream.subscribe(id, { name = name, after = after })
  if unknown then
    return nil, unknown
  end
  local is_new = false -- whether this subscription has told nothing yet
  return function()
    while true do
      local event, ok, quiet = events:receive(PATIENCE)
      if ok then
        after, is_new = event.id, false
        return event
      elseif quiet then
        return nil, not errors.is(quiet, errors.TIMEOUT) and quiet or nil
      elseif is_new then
        return nil, unfollowed(id)
      end
      events, unknown = stream.subscribe(id, { name = name, after = after })
      if unknown then
        return nil, unknown
      end
      is_new = true
    end
  end
end

--- The whole answer at once.
local function whole(id)
  local next_event, unknown = follow(id, "none")
  if unknown then
    return nil, unknown
  end
  while true do
    local event, gone = next_event()
    if gone then
      return nil, gone
    elseif event and event.event == "completed" then
      return wire.completion(id, event.result)
    elseif event then
      return nil, failure(event)
    end
  end
end

--- What a client is sent for an event. → chunk, whether it is the last
local function part(id, event)
  if event.event == "stream" then
    local delta = { content = event.data, role = event.position == 1 and "assistant" or nil }
    return wire.chunk(id, event.id, delta), false
  elseif event.event == "completed" then
    return wire.chunk(id, event.id, json.object({}), event.result.finish_reason), true
  elseif event.event == "reset" or event.event == "stream.restarted" then
    local message = "what you had is not known any more: ask again, without Last-Event-ID"
    return wire.problem(errors.new({ kind = errors.CONFLICT, message = message })), true
  end
  return wire.problem(failure(event)), true
end

--- Sends a chunk, or a sign of life. → whether it was the last, and an error when the client is gone
local function send(response, id, event)
  if not event then
    -- No empty line behind it: OpenAI's client takes that for the end of an event without data.
    return false, response:write(": the answer is on its way\n") or response:flush()
  end
  local chunk, is_last = part(id, event)
  local gone = response:write_event({ id = event.id, data = chunk })
  if is_last and not gone then
    gone = response:write("data: [DONE]\n\n")
  end
  return is_last, gone
end

--- The answer part by part, as server-sent events. Their ids are those of the run's events.
local function streamed(id, after)
  local response = http.response()
  local next_event, unknown = follow(id, "tokens", after)
  if unknown then
    return nil, unknown
  end
  response:set_transfer("sse")
  local has_begun, is_over, gone = false, false, nil
  repeat
    local event, lost = next_event()
    if lost and after and not has_begun then
      response:set_status(http.STATUS.NO_CONTENT) -- this client has heard everything
      return
    elseif lost then
      return nil, lost
    end
    is_over, gone = send(response, id, event)
    has_begun = true
  until is_over or gone
end

local function answer()
  local request = http.request()
  local body, unreadable = request:body_json()
  if unreadable then
    return nil, unreadable
  end
  local input, invalid = wire.request(body)
  if invalid then
    return nil, invalid
  end
  local id = id_for(input, request:header("Idempotency-Key"))
  local _, refused = begin(id, input)
  if refused then
    return nil, refused
  end
  http.response():set_header("X-Request-Id", id)
  if body.stream then
    return streamed(id, request:header("Last-Event-ID"))
  end
  return whole(id)
end

local STATUS <const> = {
  [errors.INVALID] = 400,
  [errors.CONFLICT] = 409,
  [errors.CANCELED] = 499,
  [errors.RATE_LIMITED] = 429,
  [errors.UNAVAILABLE] = 503,
  [errors.TIMEOUT] = 504,
}

--- {model, messages, stream?, max_tokens?, seed?}. The run of a client that goes away goes on.
function M.complete()
  local found, err = answer()
  if err then
    return http.response():status(STATUS[err:kind()] or 500):json(wire.problem(err))
  end
  return found
end

--- GET /v1/models
function M.models()
  return { object = "list", data = { { id = wire.MODEL, object = "model", created = 0, owned_by = "evermoon" } } }
end

return M
