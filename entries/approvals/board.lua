--- The live list: a process that keeps it, watches every open run, and tells whoever looks. All it knows comes from the
-- store, which the runs' activities write, and from the ends of the runs it monitors; so it can be lost at any time.
--
--   list              answered with `list` {approvals, letters}
--   watch             the same, and from then on every `approval` and `letter`, until the sender ends
--   changed id        an activity has written an approval
--   letters           an activity has written a letter

local channel = require("channel")
local errors = require("errors")
local json = require("json")
local logger = require("logger")
local process = require("process")
local store = require("store")
local time = require("time")

local rules = require("rules")

local KEPT <const> = "720h" -- how long what is over can still be looked at
local LETTERS <const> = 30 -- how many are shown
local PAGE <const> = 500
local LOOK_EVERY <const> = "3s" -- for what hosts other than this one wrote

local Board = {}
Board.__index = Board

local function opened(id)
  local found, absent = store.get(id)
  if absent then
    error(absent)
  end
  return found
end

--- What a call gave; a failure fails the process, and its service starts it again.
local function must(value, err)
  if err then
    error(err)
  end
  return value
end

function Board:say(topic, value)
  for pid in pairs(self.watchers) do
    process.send(pid, topic, value)
  end
end

--- Ends what the store holds as open though its run is over: nobody was there to say so.
function Board:settle(approval, status, why)
  local closed = {}
  for name, value in pairs(approval) do
    closed[name] = value
  end
  closed.status, closed.why, closed.waiting_for = status, why, nil
  closed.decided_at, closed.revision = time.now():utc():format(time.RFC3339), approval.revision + 1
  must(self.list:set(closed.id, closed, KEPT))
  self:take(closed)
end

--- Takes what is new about an approval, and watches its run if it is open.
function Board:take(approval)
  local known = self.approvals[approval.id]
  if known and known.revision >= approval.revision then
    return
  end
  self.approvals[approval.id] = approval
  self:say("approval", approval)
  if known or not rules.is_open(approval) then
    return
  end
  self.runs[approval.pid] = approval.id
  local _, err = process.monitor(approval.pid)
  if err and errors.is(err, errors.NOT_FOUND) then
    self:settle(approval, "lost", "Temporal knows no such run")
  else
    must(true, err)
  end
end

--- Everything in the store.
function Board:look()
  local after, present = nil, {}
  repeat
    local page = must(self.list:list({ after = after, limit = PAGE }))
    for _, entry in ipairs(page) do
      present[entry.key] = true
      self:take(entry.value)
      after = entry.key
    end
  until #page < PAGE
  for id in pairs(self.approvals) do
    if not present[id] then
      self.approvals[id] = nil -- kept long enough
    end
  end
end

function Board:refresh(id)
  local approval, err = self.list:get(id)
  if approval then
    self:take(approval)
  elseif not errors.is(err, errors.NOT_FOUND) then
    error(err)
  end
end

--- A run has ended. As a rule it has said how; if it could not (it was terminated, it failed), its end says so.
function Board:ended(event)
  local id = self.runs[event.from]
  self.runs[event.from] = nil
  self:refresh(id)
  local approval = self.approvals[id]
  if not approval or not rules.is_open(approval) then
    return
  end
  local result = event.result
  if type(result.value) == "table" then
    result.value.revision = math.max(result.value.revision, approval.revision + 1)
    must(self.list:set(id, result.value, KEPT))
    self:take(result.value)
  else
    self:settle(approval, errors.is(result.error, errors.CANCELED) and "canceled" or "failed", tostring(result.error))
  end
end

--- The newest letters of the outbox; tells watchers of those that were not there before.
function Board:read_letters()
  local letters = must(self.outbox:list({ limit = LETTERS }))
  local known = {}
  for i = #letters, 1, -1 do
    known[letters[i].key] = true
    if not self.known_letters[letters[i].key] then
      self:say("letter", letters[i].value)
    end
  end
  self.letters, self.known_letters = letters, known
end

--- {approvals, letters}, the newest first.
function Board:shown()
  local approvals, letters = json.array({}), json.array({})
  for _, approval in pairs(self.approvals) do
    approvals[#approvals + 1] = approval
  end
  table.sort(approvals, function(a, b)
    if a.opened_at ~= b.opened_at then
      return a.opened_at > b.opened_at
    end
    return a.id < b.id
  end)
  for i, letter in ipairs(self.letters) do
    letters[i] = letter.value
  end
  return { approvals = approvals, letters = letters }
end

function Board:message(message)
  local topic, from = message:topic(), message:from()
  if topic == "list" then
    process.send(from, "list", self:shown())
  elseif topic == "watch" then
    self.watchers[from] = true
    process.monitor(from)
    process.send(from, "list", self:shown())
  elseif topic == "changed" then
    self:refresh(message:payload():data())
  elseif topic == "letters" then
    self:read_letters()
  else
    logger:warn("a message was ignored", { topic = topic, from = from })
  end
end

local function main()
  must(process.registry.register(rules.board))
  local inbox, events, look = process.inbox(), process.events(), time.ticker(LOOK_EVERY)
  local board = setmetatable({
    list = opened("approvals:list"),
    outbox = opened("approvals:outbox"),
    approvals = {}, -- by id
    runs = {}, -- ids of open approvals by the PID of their run
    letters = {},
    known_letters = {},
    watchers = {}, -- true by PID
  }, Board)
  board:read_letters()
  board:look()
  logger:debug("the live list is up", { approvals = #board:shown().approvals })
  while true do
    local picked = channel.select({ inbox:case_receive(), events:case_receive(), look:channel():case_receive() })
    if picked.error then
      return
    elseif picked.channel == inbox then
      board:message(picked.value)
    elseif picked.channel ~= events then
      board:look()
      board:read_letters()
    elseif picked.value.kind == process.event.CANCEL then
      return -- the host stops
    elseif board.runs[picked.value.from] then
      board:ended(picked.value)
    else
      board.watchers[picked.value.from] = nil
    end
  end
end

return { main = main }
