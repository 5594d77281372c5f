--- The shapes of OpenAI's chat completion: what a request may say, and how an answer, a part of it and an error look.

local errors = require("errors")
local time = require("time")

local M = {}

--- The one model there is.
M.MODEL = "moonlight-1"

local ROLES <const> = { system = true, developer = true, user = true, assistant = true }
local MOST_TOKENS <const> = 4096

local function refuse(param, text, ...)
  local details = { param = param }
  return nil, errors.new({ kind = errors.INVALID, message = text:format(...), retryable = false, details = details })
end

local function is_whole(value, least, most)
  return math.type(value) == "integer" and value >= least and value <= most
end

--- The text of a message, which is text or a list of parts {type = "text", text}.
local function content_of(message)
  if type(message.content) ~= "table" then
    return message.content
  end
  local texts = {}
  for i, part in ipairs(message.content) do
    if type(part) ~= "table" or part.type ~= "text" or type(part.text) ~= "string" then
      return nil
    end
    texts[i] = part.text
  end
  return table.concat(texts, "\n")
end

local function messages_of(body)
  if type(body.messages) ~= "table" or #body.messages == 0 then
    return refuse("messages", "messages must be a list of at least one message")
  end
  local messages = {}
  for i, message in ipairs(body.messages) do
    if type(message) ~= "table" or not ROLES[message.role] then
      return refuse("messages", "messages[%d].role must be system, developer, user or assistant", i - 1)
    end
    local content = content_of(message)
    if type(content) ~= "string" then
      return refuse("messages", "messages[%d].content must be text", i - 1)
    end
    messages[i] = { role = message.role, content = content }
  end
  return messages
end

--- → the input of a run | nil, INVALID with details.param. What the model has no use for, such as a temperature, is left out.
function M.request(body)
  if type(body) ~= "table" then
    return refuse(nil, "the body must be an object")
  elseif body.model ~= M.MODEL then
    return refuse("model", "there is no model %s; there is %s", tostring(body.model), M.MODEL)
  elseif body.stream ~= nil and type(body.stream) ~= "boolean" then
    return refuse("stream", "stream must be true or false")
  elseif body.n ~= nil and body.n ~= 1 then
    return refuse("n", "n must be 1")
  elseif body.seed ~= nil and math.type(body.seed) ~= "integer" then
    return refuse("seed", "seed must be a whole number")
  end
  local param = body.max_completion_tokens ~= nil and "max_completion_tokens" or "max_tokens"
  if body[param] ~= nil and not is_whole(body[param], 1, MOST_TOKENS) then
    return refuse(param, "%s must be a whole number from 1 to %d", param, MOST_TOKENS)
  end
  local messages, invalid = messages_of(body)
  if invalid then
    return nil, invalid
  end
  return { messages = messages, max_tokens = body[param], seed = body.seed }
end

local function head(id, object, choice)
  return { id = id, object = object, created = time.now():unix(), model = M.MODEL, choices = { choice } }
end

--- The whole answer of the run `id`.
function M.completion(id, result)
  local message = { role = "assistant", content = result.text }
  local completion = head(id, "chat.completion", { index = 0, message = message, finish_reason = result.finish_reason })
  completion.usage = result.usage
  return completion
end

--- A part of an answer: `delta` of the message, or at the end the reason. `event_id` is where a client goes on that was cut off.
function M.chunk(id, event_id, delta, finish_reason)
  local chunk = head(id, "chat.completion.chunk", { index = 0, delta = delta, finish_reason = finish_reason })
  chunk.event_id = event_id
  return chunk
end

--- An error as OpenAI's clients read it.
function M.problem(err)
  local is_theirs = errors.is(err, errors.INVALID)
  local details = err:details() or {}
  return {
    error = {
      message = tostring(err),
      type = is_theirs and "invalid_request_error" or "server_error",
      param = details.param,
      code = err:kind(),
    },
  }
end

return M
