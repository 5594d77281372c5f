--- One answer: pre → model A → model B → post. Model B publishes each token to whoever follows the run.
--
--   input    {messages = {{role, content}…}, max_tokens?, seed?}
--   result   {text, finish_reason, usage, attempts}

local errors = require("errors")
local funcs = require("funcs")
local hash = require("hash")
local workflow = require("workflow")

local USUAL_TOKENS <const> = 48

--- Timeouts by intent. A GPU may be busy or away for long, and the answer waits for it. What a model takes once it has
-- begun follows from how much it reads and writes; whether it is alive, its heartbeats say (`_index.yaml`).
local function on_gpu(words, tokens)
  return funcs.new():with_options({
    ["activity.schedule_to_start_timeout"] = "1h",
    ["activity.start_to_close_timeout"] = ("%ds"):format(60 + words // 20 + tokens // 2),
    ["activity.wait_for_cancellation"] = true, -- the run is over when the GPU is free
  })
end

local function main(request)
  local most = request.max_tokens or USUAL_TOKENS
  workflow.status("reading")
  local prompt, unusable = funcs.call("inference:pre", request)
  if unusable then
    return nil, unusable
  end
  local job = { prompt = prompt.prompt, max_tokens = most }
  job.seed = tostring(request.seed or hash.fnv32(prompt.prompt))

  workflow.status("outlining")
  local outline, lost = on_gpu(prompt.tokens, 0):call("inference:outline", job)
  if lost then
    return nil, lost
  end
  job.opening = outline.opening

  workflow.status("writing")
  local written, failed = on_gpu(prompt.tokens, most):call("inference:write", job)
  if failed then
    return nil, failed
  end
  workflow.status("finishing")
  return funcs.call("inference:post", prompt, written)
end

return { main = main }
