--- What an approval tells others: the live list, and the people it is about. Both are safe to repeat.

local process = require("process")
local store = require("store")
local time = require("time")

local rules = require("rules")

local KEPT <const> = "720h" -- how long what is over can still be looked at

--- Tells the live list of this host, if it is up. That of another host looks into the store every few seconds.
local function tell(topic, ...)
  process.send(rules.board, topic, ...)
  return true
end

local M = {}

--- The approval as it stands, for the list.
function M.record(approval)
  local list, absent = store.get("approvals:list")
  if absent then
    return nil, absent
  end
  local _, err = list:set(approval.id, approval, rules.is_open(approval) and 0 or KEPT)
  if err then
    return nil, err
  end
  return tell("changed", approval.id)
end

--- A letter {approval, number, to, subject, title, at}: put into the outbox, where a mail server would fetch it.
function M.notify(letter)
  local outbox, absent = store.get("approvals:outbox")
  if absent then
    return nil, absent
  end
  -- Lists are in order of their keys, so this one has the newest first; the same letter has the same key.
  local rank = 99999999999 - time.parse(time.RFC3339, letter.at):unix()
  local key = ("%011d/%s/%06d"):format(rank, letter.approval, 999999 - letter.number)
  local _, err = outbox:set(key, letter, KEPT)
  if err then
    return nil, err
  end
  return tell("letters")
end

return M
