--- The live list over HTTP, as it is and as it changes. It is the board's; see board.lua.

local channel = require("channel")
local errors = require("errors")
local http = require("http")
local process = require("process")
local time = require("time")

local rules = require("rules")

local PATIENCE <const> = "10s" -- with the board
local HEARTBEAT <const> = "15s" -- so that a connection that is gone is noticed

local M = {}

local function unavailable()
  return nil, errors.new({ kind = errors.UNAVAILABLE, message = "the live list is being rebuilt", retryable = true })
end

--- GET /approvals: {approvals, letters}, the newest first.
function M.index()
  local answers = process.listen("list")
  local _, absent = process.send(rules.board, "list")
  if absent then
    return unavailable()
  end
  local list, ok = answers:receive(PATIENCE)
  if not ok then
    return unavailable()
  end
  http.response():set_header("Cache-Control", "no-store")
  return list
end

--- GET /approvals/live: server-sent events. First `list`, all of it; then `approval` and `letter`, one at a time.
-- It ends with the board, too: a browser comes back by itself and gets the whole list again.
function M.live()
  local response = http.response()
  local inbox, events, heartbeat = process.inbox(), process.events(), time.ticker(HEARTBEAT)
  local board, absent = process.registry.lookup(rules.board)
  if absent then
    return unavailable()
  end
  process.monitor(board)
  local _, gone = process.send(board, "watch")
  if gone then
    return unavailable()
  end
  while true do
    local picked = channel.select({ inbox:case_receive(), events:case_receive(), heartbeat:channel():case_receive() })
    local err
    if picked.error or picked.channel == events then
      return -- the client is gone, or the board
    elseif picked.channel == inbox then
      err = response:write_event({ name = picked.value:topic(), data = picked.value:payload():data() })
    else
      err = response:write_event({ name = "heartbeat", data = {} })
    end
    if err then
      return
    end
  end
end

return M
