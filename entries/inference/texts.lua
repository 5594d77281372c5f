--- A part of a batch: the texts of a few prompts, which a GPU writes side by side.

local funcs = require("funcs")
local hash = require("hash")

local function main(prompts, max_tokens)
  local jobs = {}
  for i, prompt in ipairs(prompts) do
    jobs[i] = { prompt = prompt, seed = tostring(hash.fnv32(prompt)), max_tokens = max_tokens }
  end
  local patient = funcs.new():with_options({
    ["activity.schedule_to_start_timeout"] = "24h", -- a batch is in no hurry
    ["activity.start_to_close_timeout"] = ("%ds"):format(60 + max_tokens // 2),
    ["activity.wait_for_cancellation"] = true,
  })
  local texts, err = patient:call("inference:write_all", jobs)
  if err then
    return nil, err
  end
  local _, words = table.concat(texts, " "):gsub("%S+", "")
  return { texts = #texts, words = words, sample = texts[1] }
end

return { main = main }
