--- What runs on the CPU workers, before and after the models.

local errors = require("errors")

local MOST_WORDS <const> = 2000

local M = {}

--- Model A and B take one text. → {prompt, tokens} | nil, INVALID, which no other attempt would mend
function M.pre(request)
  local lines = {}
  for _, message in ipairs(request.messages) do
    lines[#lines + 1] = message.content
  end
  local prompt = table.concat(lines, "\n")
  local _, words = prompt:gsub("%S+", "")
  if words == 0 then
    return nil, errors.new({ kind = errors.INVALID, message = "messages: there is no text in them", retryable = false })
  elseif words > MOST_WORDS then
    local message = ("messages: %d words, and the model takes %d"):format(words, MOST_WORDS)
    return nil, errors.new({ kind = errors.INVALID, message = message, retryable = false })
  end
  return { prompt = prompt, tokens = words }
end

--- The answer as its client gets it.
function M.post(prompt, written)
  local made = #written.tokens
  return {
    text = table.concat(written.tokens),
    finish_reason = written.finish_reason,
    attempts = written.attempts,
    usage = { prompt_tokens = prompt.tokens, completion_tokens = made, total_tokens = prompt.tokens + made },
  }
end

return M
