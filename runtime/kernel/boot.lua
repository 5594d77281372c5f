-- The first chunk of an interpreter, which serves many programs, one after another. What is done once for all of them: it takes
-- the host function, takes away what no Lua here may use, and runs the files that every program needs.
-- Answers `begin`, which makes what one program has for itself and answers the kernel's entry point; and `clear`, after which
-- nothing of that program is left and all else is as it was before.
-- Scripts never see K, the host function or this environment.
-- The host compiles it together with the files that every program needs: they are in CORE, by name, as functions of their
-- environment, as every chunk is, since fetching and loading each by itself is a good part of what a new interpreter costs.
-- Speaks protocol 2.
-- Its scripts keep the lines of tail calls.
-- Its memory is what it holds, and what it is given counts.
local host = ...
local chunks, givers = CORE, {} -- file -> function of its environment; name of K -> the file that gives it

local raw_load, type, error, rawget, pcall, next = load, type, error, rawget, pcall, next
local wrap, yield = coroutine.wrap, coroutine.yield
local debug, clock_seconds, cpu_seconds = debug, os.time, os.clock

-- Loading makes no garbage worth looking for; the collector starts when the program does.
local collect = collectgarbage
collect("stop")

python, io, package, require, dofile, loadfile, collectgarbage = nil, nil, nil, nil, nil, nil, nil
os = nil

-- Lua's own, of which nobody changes anything.
local raw = {
  next = next, pairs = pairs, pcall = pcall, xpcall = xpcall, load = raw_load, type = type, tostring = tostring,
  getmetatable = debug.getmetatable, setmetatable = debug.setmetatable, rawget = rawget, rawset = rawset,
  rawlen = rawlen, rawequal = rawequal, getinfo = debug.getinfo, getlocal = debug.getlocal, sethook = debug.sethook,
  traceback = debug.traceback, upvaluejoin = debug.upvaluejoin, string = string, table = table, math = math, utf8 = utf8, coroutine = coroutine,
  select = select, error = error, tonumber = tonumber, ipairs = ipairs, assert = assert,
}
_G.debug = nil
local setmetatable, sethook, randomseed = raw.setmetatable, raw.sethook, math.randomseed

-- A file as a function of its environment. That it is here already, from an earlier program, nobody can see.
local function chunk_of(file, bytecode)
  local chunk = chunks[file]
  if chunk then return chunk end
  local _
  if not bytecode then _, bytecode = host("chunk", file) end
  if not bytecode then error("evermoon: no chunk " .. file, 0) end
  chunk = raw_load(bytecode, "=evermoon/" .. file, "b")()
  chunks[file] = chunk
  return chunk
end

-- The file that gives a name of K, or false; it is in `chunks` then.
local function giver_of(name)
  local file = givers[name]
  if file == nil then
    local _, found, bytecode = host("gives", name)
    file = found or false
    if file then chunk_of(file, bytecode) end
    givers[name] = file
  end
  return file
end

-- Garbage of earlier programs may lie about, but no more than this (KiB): above it, it is collected when a program ends, or waits
-- for the first time. `kept` is what was held after the last collection that found no program.
local kept, SLACK = 0, 256
local function tidy()
  local much = collect("count") > kept + SLACK
  if much then collect("collect") end
  return much
end

-- What kernel and modules share. A file that says so by a second value, "lasts", is run once for all programs: its functions have
-- no state, or one that is set in what it gives to `K.anew`, which is called at once and whenever a program has ended. What it takes
-- from others when it is run must last too. All else in K, and the other files, are the program's and go with it.
local K = {
  raw = raw, host_function = host, clock_seconds = clock_seconds, cpu_seconds = cpu_seconds, collect = collect, tidy = tidy,
  string_meta = raw.getmetatable(""),
  -- What is read often and mostly nil has a value, so that reading it loads nothing.
  current = false, readonly = false, loading = false, continuation = false, process_options = false,
  events_wanted = false, updates_wanted = false, watching = false, env = false,
}

-- On demand ------------------------------------------------------------------------------------------------------------
-- Loading is most of what a new run costs, and a parked run needs little of the kernel. So what is missing in one of these
-- tables is got when it is first looked up: a name of K with the file that gives it (the host knows which), a file with
-- its value, a word of `boot` with what the host says, a script's file as a function, a library with its exports.
-- Whether something is loaded already may not count: a query may have loaded it, and no replay repeats a query; nor whether
-- an earlier program did. The lookup is one instruction in any case, since `__index` is a function of C, and what goes on
-- behind it is in a coroutine that has no hook.
local loaded, boot -- of the program
local names, missing, unopened = {}, {}, {} -- the metatables: of K, of such tables, and of libraries that nobody has looked into
local files, held, MOST = {}, 0, 128 * 1024 -- of scripts: functions by the digest of their bytecode, of which so many bytes are kept
local find, demand, undo

local function look_up_by(way) names.__index, missing.__index, unopened.__index = way, way, way end

local start
local function take(t, key)
  while true do
    local limits = rawget(K, "limits")
    local used, budget = limits and limits.used, limits and limits.instructions
    if limits then limits.used, limits.instructions = 0, math.maxinteger end
    look_up_by(find) -- a file looks up others
    undo()
    local ok, value = pcall(find, t, key)
    if limits then limits.used, limits.instructions = used, budget end
    if not ok then
      undo()
      -- At the end of the stack of C there is no place for a file that others may have loaded before: that is no property of the script.
      local is_overflow = limits and limits.is_overflow(value)
      if is_overflow then limits.spend("stack") end
      if not pcall(start) then limits.spend(is_overflow and "stack" or "memory") end -- nobody can go on without it
      error(value, 0)
    end
    look_up_by(demand)
    t, key = yield(value)
  end
end

-- It begins to run at once, where there is a place for it: where there is none, its first call would be its end.
function start()
  local fresh = wrap(function() return take(yield()) end)
  fresh()
  demand = fresh
  look_up_by(demand)
end

local kept_names, kept_values = {}, {} -- of K, and of files: what lasts
local renewals = {}
local renews -- those of the file that is being loaded, where it lasts

function K.anew(renew)
  renews[#renews + 1] = renew
  renew()
end

local given = {} -- the names that unfinished files have given
local function keep_name(t, name, value)
  kept_names[name] = value
  given[#given + 1] = name
  rawset(t, name, value)
end

-- What files gave that did not come to their end, as where the stack of C had no room for it: they will be run again.
function undo()
  for i = #given, 1, -1 do
    kept_names[given[i]] = nil
    rawset(K, given[i], nil)
    given[i] = nil
  end
  renews, names.__newindex = nil, nil
end

-- The value of a file that lasts; its names in K last with it.
local function made_to_last(file, make)
  local outer, outer_names, before = renews, names.__newindex, #given
  renews, names.__newindex = {}, keep_name
  local value = make(K)
  if value == nil then value = true end
  for i = 1, #renews do renewals[#renewals + 1] = renews[i] end
  renews, names.__newindex = outer, outer_names
  for i = #given, before + 1, -1 do given[i] = nil end
  kept_values[file], chunks[file] = value, nil -- it is not run again
  return value
end

local function load_file(file)
  local value = kept_values[file]
  if value == nil then
    local make, lasts = chunk_of(file)(K.env or _G)
    if lasts then
      value = made_to_last(file, make)
    elseif renews then
      error("evermoon: what lasts cannot take from " .. file .. ", which does not", 0)
    else
      value = make(K)
    end
    if value == nil then value = true end
  end
  rawset(loaded, file, value)
  return value
end

local function file_of(digest)
  local _, code = host("code", digest)
  held = held + #code
  if held > MOST then
    for known in next, files do files[known] = nil end
    held = #code
  end
  local file, problem = raw_load(code, "=?", "b", false)
  if not file then error(problem, 0) end
  rawset(files, digest, file)
  return file
end

function find(t, key)
  if t == K then
    local file = giver_of(key)
    if not file then return nil end
    if rawget(loaded, file) == nil then load_file(file) end
    return rawget(K, key)
  elseif t == loaded then
    return load_file(key)
  elseif t == files then
    return file_of(key)
  elseif t == boot then
    local _, form, value = host("boot", key)
    if form == "json" then value = K.json_value(value) end
    if value == nil then value = false end
    rawset(boot, key, value)
    return value
  end
  return K.open_library(t)[key]
end

function K.use(file) return loaded[file] end

-- Once -----------------------------------------------------------------------------------------------------------------

start()
look_up_by(find) -- what is loaded at once sets the hook of this coroutine, the kernel's own
K.unopened, K.files = unopened, setmetatable(files, missing)
loaded = setmetatable({}, missing)
setmetatable(K, names)
K.use("kernel/limits")
K.use("kernel/order")
K.use("kernel/base")
K.use("kernel/scheduler")
K.use("kernel/sandbox")
local enter = K.use("kernel/main")
for name, value in next, K do kept_names[name] = value end
local limits = K.limits
look_up_by(demand)

-- For each program -----------------------------------------------------------------------------------------------------

-- `name` and what follows is the entry's own file, as the host tells of any other that is asked for.
local function begin(seed, instructions, class, entry, method, name, digest, modules, imports)
  randomseed(seed)
  loaded, boot = setmetatable({}, missing), setmetatable({ class = class, entry = entry, method = method }, missing)
  K.boot, K.budget, K.unit = boot, instructions, { true, name, digest, modules, imports }
  limits.instructions = instructions
  -- As after a collection: the next is due when there is half as much again, not with the next allocation.
  collect("restart")
  collect("step", -(collect("count") // 2 | 0))
  return enter
end

-- Leaves nothing that holds on to the program, whose entry point the host has let go, and answers how many KiB are held yet.
local function clear()
  sethook()
  undo()
  for key in next, K do K[key] = kept_names[key] end
  loaded, boot = nil, nil
  start() -- the last one keeps on its stack what it gave last
  for i = 1, #renewals do renewals[i]() end
  collect("incremental", 200)
  if tidy() then kept = collect("count") end
  return collect("count")
end

kept = collect("count")
return begin, clear
