-- The first chunk of an interpreter. Takes the host function, takes away what no Lua here may use, builds K (what kernel
-- and modules share) and answers the kernel's entry points. Scripts never see K, the host function or this environment.
-- The host compiles it together with the files that every program needs: they are in CORE, by name, as functions of their
-- environment, since fetching and loading each by itself is a good part of what a new interpreter costs.
local host = ...
local CORE = CORE or {}

local raw_load, type, error, rawget, next, ipairs, setmetatable = load, type, error, rawget, next, ipairs, setmetatable
local debug, clock_seconds, cpu_seconds = debug, os.time, os.clock

-- Loading makes no garbage worth looking for; the collector starts when the program does.
local collect = collectgarbage
collect("stop")

python, io, package, require, dofile, loadfile, collectgarbage = nil, nil, nil, nil, nil, nil, nil
os = nil

local K = {
  raw = {
    next = next, pairs = pairs, pcall = pcall, xpcall = xpcall, load = raw_load, type = type, tostring = tostring,
    getmetatable = debug.getmetatable, setmetatable = debug.setmetatable, rawget = rawget, rawset = rawset,
    rawlen = rawlen, rawequal = rawequal, getinfo = debug.getinfo, sethook = debug.sethook,
    traceback = debug.traceback, string = string, table = table, math = math, utf8 = utf8, coroutine = coroutine,
    select = select, error = error, tonumber = tonumber, ipairs = ipairs, assert = assert,
  },
}
_G.debug = nil

-- Kernel and module chunks come from the host as bytecode that it compiled itself, each at most once.
local loaded = {}
function K.use(name)
  local value = loaded[name]
  if value == nil then
    local core = CORE[name]
    if core then
      CORE[name] = nil
      value = core(K.env or _G)
    else
      local ok, code = host("chunk", name)
      if not ok then error("evermoon: no chunk " .. name, 0) end
      value = raw_load(code, "=evermoon/" .. name, "b", K.env or _G)()
    end
    if type(value) == "function" then value = value(K) end
    loaded[name] = value == nil and true or value
  end
  return value
end

K.host_function, K.clock_seconds, K.cpu_seconds, K.collect = host, clock_seconds, cpu_seconds, collect

-- Many runs need only a part of the kernel, and loading is most of what a new run costs: these files are loaded when the
-- first of their names is used.
local LAZY = {}
for chunk, names in next, {
  ["kernel/channel"] = { "channel", "channel_module", "list" },
  ["kernel/future"] = { "future", "future_class", "await_all", "await_any" },
  ["kernel/mailbox"] = {
    "inbox", "listen", "listens_with_messages", "unlisten", "deliver", "unread", "events", "unread_events",
    "deliver_process_event", "message_class",
  },
  ["modules/process"] = { "launch_process" },
  ["kernel/questions"] = {
    "register_query", "answer_query", "register_update", "validate_update", "finish_update", "start_update",
    "reply_update", "watch", "wake_watchers", "continue_answer",
  },
} do
  for _, name in ipairs(names) do LAZY[name] = chunk end
end
setmetatable(K, { __index = function(_, name)
  local chunk = LAZY[name]
  if chunk then
    K.use(chunk)
    return rawget(K, name)
  end
end })

-- What is read often and mostly nil has a value, so that reading it loads nothing.
K.current, K.readonly, K.loading, K.continuation = false, false, false, false
K.events_wanted, K.updates_wanted = false, false

K.use("kernel/limits")
K.use("kernel/order")
K.use("kernel/base")
K.use("kernel/errors")
K.use("kernel/json")
K.use("kernel/values")
K.use("kernel/scheduler")
K.use("kernel/commands")
K.use("kernel/sandbox")
local entry = K.use("kernel/main")
-- As after a collection: the next is due when there is half as much again, not with the next allocation.
collect("restart")
collect("step", -(collect("count") // 2 | 0))
return entry
