--- Thousands of texts. Each child writes a few, so many children run at once and no more, and after so many the run continues
-- as new: however long the batch, no history of it grows beyond that.
--
--   input    {topics, items, max_tokens?, per_child?, at_once?, per_run?}
--   result   {items, done, failed, words, histories = {the length of each run's history}, sample}

local channel = require("channel")
local errors = require("errors")
local logger = require("logger")
local process = require("process")
local workflow = require("workflow")

local texts = process.with_options({ ["workflow.wait_for_cancellation"] = true })

local function fresh()
  return { given = 0, done = 0, failed = 0, words = 0, histories = {} }
end

--- The prompts of the next child.
local function take(request, progress)
  local first, prompts = progress.given, {}
  progress.given = math.min(first + (request.per_child or 10), request.items)
  for i = first + 1, progress.given do
    prompts[#prompts + 1] = ("%s (%d)"):format(request.topics[(i - 1) % #request.topics + 1], i)
  end
  return prompts
end

--- One child, to its end. Texts that could not be written are counted, and the batch goes on.
local function write(prompts, request, progress)
  local part, err = texts:exec("inference:texts", "inference:cpu", prompts, request.max_tokens or 12)
  if err then
    progress.failed = progress.failed + #prompts
    logger:warn("texts are missing", { how_many = #prompts, error = tostring(err) })
  else
    progress.done, progress.words = progress.done + part.texts, progress.words + part.words
    progress.sample = part.sample
  end
  workflow.status(("%d of %d"):format(progress.done, request.items))
  workflow.publish("progress", { done = progress.done, failed = progress.failed, items = request.items })
  return err
end

--- Runs this run's children, `at_once` side by side. → whether the batch was cancelled
local function work(request, progress)
  local left, lanes, canceled = request.per_run or 100, request.at_once or 16, nil
  local ended = channel.new(lanes)
  for _ = 1, lanes do
    coroutine.spawn(function()
      while left > 0 and progress.given < request.items and not canceled do
        left = left - 1
        local err = write(take(request, progress), request, progress)
        canceled = canceled or err and errors.is(err, errors.CANCELED) and err
      end
      ended:send(true)
    end)
  end
  workflow.detached(function() -- a batch that is cancelled waits for its children, which are cancelled as well
    for _ = 1, lanes do
      ended:receive()
    end
  end)
  return canceled
end

local function main(request)
  local progress = request.progress or fresh()
  local canceled = work(request, progress)
  if canceled then
    return nil, canceled
  end
  table.insert(progress.histories, workflow.history_length())
  if progress.given < request.items then
    request.progress = progress
    return process.upgrade(nil, request)
  end
  progress.items, progress.given = request.items, nil
  return progress
end

return { main = main }
