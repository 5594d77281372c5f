-- test: tests written in Lua.
--
--   local test = require("test")
--   return test.describe("prices", function()
--     test.it("adds up", function() test.equal(1 + 1, 2) end)
--   end)
--
-- The outermost `describe` gives the file's entry point: called without a request it lists the cases, with {run = {1, 3}} it
-- runs those and answers what became of each. Expectations raise at the line of the test that states them.
local json, funcs, time = require("json"), require("funcs"), require("time")

local test = {}

local cases, names = {}, {}

-- Where the test file calls the library, as "file:line".
local function here()
  local stack = errors.call_stack(errors.new("here"))
  for _, frame in ipairs(stack.frames) do
    if frame.source ~= "test.lua" then return frame.source .. ":" .. frame.line, frame.source, frame.line end
  end
  return "?", "?", 0
end

local function broken(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  error((here()) .. ": " .. text, 0)
end

-- Values as a reader would write them ------------------------------------------------------------------------------------

local function quoted(text)
  local shown = string.format("%q", text):gsub("\\\n", "\\n")
  if utf8.len(shown) then return shown end
  return (shown:gsub("[\x80-\xff]", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

local function show(value, depth)
  depth = depth or 0
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if kind == "number" and math.type(value) == "float" and value % 1 == 0 then return string.format("%.1f", value) end
  if kind ~= "table" then return tostring(value) end
  if depth > 6 then return "{…}" end
  local parts, n = {}, #value
  for i = 1, n do parts[i] = show(value[i], depth + 1) end
  for key, item in pairs(value) do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then
      local name = type(key) == "string" and key:find("^[%a_][%w_]*$") and key or "[" .. show(key, depth + 1) .. "]"
      parts[#parts + 1] = name .. " = " .. show(item, depth + 1)
    end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end
test.show = show

-- Nil when both are the same, else the path of the first difference and the two values there. 1 and 1.0 differ.
local function difference(actual, expected, path)
  if type(actual) == "table" and type(expected) == "table" then
    for key, item in pairs(expected) do
      local where, a, b = difference(actual[key], item, path .. (type(key) == "string" and "." .. key or "[" .. tostring(key) .. "]"))
      if where then return where, a, b end
    end
    for key, item in pairs(actual) do
      if expected[key] == nil then
        return path .. (type(key) == "string" and "." .. key or "[" .. tostring(key) .. "]"), item, nil
      end
    end
    return nil
  end
  if math.type(actual) ~= math.type(expected) then return path, actual, expected end
  if actual ~= actual and expected ~= expected then return nil end
  if actual ~= expected then return path, actual, expected end
end

-- Expectations -------------------------------------------------------------------------------------------------------------

-- What a run failed with, where an expectation may have met that as a nil or as the state of the run.
local failed_run
local OWN = errors.call_stack(errors.new("", "here")).frames[1].source -- where this library asks, nobody looks for a mistake
local function why(actual)
  if not failed_run or not (actual == nil or actual == "failed" or actual == "canceled") then return "" end
  local err = failed_run.error
  local stack = errors.call_stack(err)
  local frame = stack and stack.frames[1]
  if frame and frame.source == OWN then frame = nil end
  local kind = err:kind() ~= "" and " [" .. err:kind() .. "]" or ""
  local place = frame and not tostring(err):find(frame.source .. ":", 1, true) and " at " .. frame.source .. ":" .. frame.line or ""
  return ("; %s %s: %s%s%s"):format(failed_run.entry, failed_run.state == "canceled" and "was canceled" or "failed", tostring(err), kind, place)
end

-- Deep; integers are not floats; tables with the same fields are the same.
function test.equal(actual, expected, note)
  local where, a, b = difference(actual, expected, "")
  if where then
    broken("%s", (note and note .. ": " or "") .. "expected " .. show(b) .. ", got " .. show(a)
      .. (where ~= "" and " at " .. where or "") .. why(a))
  end
end

function test.differ(a, b)
  if not difference(a, b, "") then broken("expected something else than %s", show(a)) end
end

-- Not nil and not false; gives the values on, so that it can stand where `assert` would.
function test.truthy(value, err, ...)
  if not value then
    broken("%s", "expected a value, got " .. show(value) .. (err ~= nil and " (" .. tostring(err) .. ")" or why(value)))
  end
  return value, err, ...
end

function test.contains(text, part)
  local said = type(text) == "userdata" and tostring(text) or text
  if type(said) ~= "string" or not said:find(part, 1, true) then
    broken("expected text with %s, got %s%s", show(part), show(said), why(text))
  end
end

local NOT_GIVEN = {}
local function judge(value, err, wanted, wanted_value)
  if type(err) ~= "userdata" then
    broken("expected an error of kind %s, got %s, %s", show(wanted.kind), show(value), show(err))
  end
  if wanted_value ~= NOT_GIVEN and value ~= wanted_value then
    broken("expected %s and an error, got %s, %s", show(wanted_value), show(value), tostring(err))
  end
  if err:kind() ~= wanted.kind then
    broken("expected an error of kind %s, got kind %s: %s", show(wanted.kind), show(err:kind()), tostring(err))
  end
  if wanted.retryable ~= nil and err:retryable() ~= wanted.retryable then
    broken("expected retryable %s, got %s: %s", tostring(wanted.retryable), tostring(err:retryable()), tostring(err))
  end
  for _, part in ipairs(wanted) do
    if not tostring(err):find(part, 1, true) then broken("expected an error with %s, got %s", show(part), tostring(err)) end
  end
  return err
end

-- `test.fails({kind, retryable = …, "text"…}, f(x))`: that a call gave nil and such an error. Gives the error.
local function wanted_of(wanted)
  if type(wanted) == "string" then return { kind = wanted } end
  local copy = { kind = wanted.kind or wanted[1], retryable = wanted.retryable }
  for i = wanted.kind and 1 or 2, #wanted do copy[#copy + 1] = wanted[i] end
  return copy
end
function test.fails(wanted, value, err) return judge(value, err, wanted_of(wanted), nil) end
-- The same for functions that judge: false and an error.
function test.refuses(wanted, value, err) return judge(value, err, wanted_of(wanted), false) end
function test.is_error(wanted, err) return judge(nil, err, wanted_of(wanted), NOT_GIVEN) end

-- That fn(...) raises an error with `part`, positioned in the file of the test, where it was called from. Gives the error.
function test.raises(part, fn, ...)
  local _, file, line = here()
  local ok, err = pcall(fn, ...)
  if ok then broken("expected it to raise %s", show(part)) end
  local text = tostring(err)
  if not text:find(part, 1, true) then broken("expected it to raise %s, it raised %s", show(part), show(text)) end
  if type(err) == "string" then
    local at, number = text:match("^([^\n]-):(%d+): ")
    if at ~= file or math.tointeger(number) < line then
      broken("expected the error at a line of %s from %d on, it is at %s", file, line, show(text))
    end
  end
  return err
end

function test.fail(text) broken("%s", text) end

-- Runs of entries, on the virtual host -------------------------------------------------------------------------------------

local Run = {}
Run.__index = Run

local function ask(name, ...)
  local value, err = funcs.call("evermoon.test:" .. name, ...)
  if err then broken("%s: %s", name == "start" and "test.start" or name, tostring(err)) end
  return value
end

-- A mock's answer: its value, or the error it returned or raised.
local function mocked(fn, args)
  local results = table.pack(pcall(fn, table.unpack(args)))
  local err = results[3]
  if not results[1] then err = results[2] end
  if results[1] and err == nil then return results[2] end
  if type(err) == "userdata" then
    return nil, { kind = err:kind(), message = err:message(), retryable = err:retryable(), details = err:details() }
  end
  return nil, { kind = results[1] and "" or errors.INTERNAL, message = tostring(err), retryable = results[1] and nil }
end

-- Answers what the run asks for, until it has to wait for something else.
local function settle(run, standing)
  while standing.asked do
    local asked = standing.asked
    run.calls[#run.calls + 1] = asked
    standing = ask("answer", run.number, mocked(run.functions[asked.id], asked.args))
  end
  run.state, run.value, run.waits = standing.state, standing.value, standing.waits
  if run.state == "failed" or run.state == "canceled" then
    run.error = select(2, funcs.call("evermoon.test:failure", run.number))
    failed_run = run
  end
  return run
end

-- Of what a mistake in it would otherwise go unseen: arguments that are no list, answers that are no functions.
local function check_start(options)
  if type(options) ~= "table" or type(options.entry) ~= "string" then broken("test.start wants {entry = id, …}") end
  for name, kind in pairs({ args = "table", functions = "table", context = "table", scope = "table" }) do
    if options[name] ~= nil and type(options[name]) ~= kind then
      broken("test.start: %s is a %s, not a %s", name, type(options[name]), kind)
    end
  end
  for key in pairs(options.args or {}) do
    if math.type(key) ~= "integer" then
      broken("test.start: args is the list of arguments, so write args = { { %s = … } }", tostring(key))
    end
  end
  for id, fn in pairs(options.functions or {}) do
    if type(id) ~= "string" or type(fn) ~= "function" then
      broken("test.start: functions[%s] is a %s, not a function", show(id), type(fn))
    end
  end
end

-- `test.start{ entry = "app:order", args = {…}, functions = { ["app:charge"] = function(…) … end }, context = {…} }`: the
-- entry runs until everything in it waits; calls of the functions (and children) named are answered by them, others run.
-- `actor` and `scope` say for whom it runs, and what that may do. Time passes in `result` and `advance` only. `run.state` is
-- running, done, failed or canceled; `run.calls` lists {id, args}.
function test.start(options)
  check_start(options)
  local run = setmetatable({ functions = options.functions or {}, calls = {}, entry = options.entry }, Run)
  local ids, told = json.array({}), {}
  for id in pairs(run.functions) do ids[#ids + 1] = id end
  for key, value in pairs(options) do told[key] = key ~= "functions" and value or nil end
  for _, name in ipairs({ "args", "scope" }) do told[name] = options[name] and json.array(options[name]) end
  told.context = options.context and json.object(options.context)
  local standing = ask("start", told, ids)
  run.number, run.pid = standing.run, standing.pid
  return settle(run, standing)
end

-- Lets time pass until the run ends: its value, or nil and its error. Raises when it waits for what no timer brings.
function Run:result()
  while self.state == "running" do
    local calls = #self.calls
    settle(self, ask("finish", self.number))
    if self.state == "running" and #self.calls == calls then broken("the run waits for %s", self.waits or "a message or an event") end
  end
  if self.error then return nil, self.error end
  return self.value
end

function Run:advance(duration)
  local span, err = time.parse_duration(duration)
  if not span then broken("%s", tostring(err)) end
  return settle(self, ask("advance", self.number, span:nanoseconds()))
end
-- Nil and an error of a run that has ended, as `process.send` and `process.cancel` give it.
local function tell(run, name, ...)
  local standing, err = funcs.call("evermoon.test:" .. name, run.number, ...)
  if err then return nil, err end
  return settle(run, standing)
end
function Run:send(topic, ...) return tell(self, "send", topic, json.array({ ... })) end
function Run:cancel(reason) return tell(self, "cancel", reason or "") end
function Run:query(name, ...) return funcs.call("evermoon.test:query", self.number, name, json.array({ ... })) end
-- What was published under that name, in order.
function Run:published(name)
  if type(name) ~= "string" then broken("run:published wants the name of a stream") end
  return ask("published", self.number, name)
end
-- Lets time pass until the run has answered.
function Run:update(name, ...)
  local standing, err = funcs.call("evermoon.test:update", self.number, name, json.array({ ... }))
  if err then return nil, err end
  while standing.asked do
    settle(self, standing)
    standing = ask("finish_update", self.number)
  end
  settle(self, standing)
  return funcs.call("evermoon.test:updated", self.number)
end

-- Cases --------------------------------------------------------------------------------------------------------------------

local function result_of(number)
  local case = cases[number]
  local result = { case = number, ok = true }
  local ok, failure = xpcall(case.body, function(err)
    local stack = errors.call_stack(type(err) == "userdata" and err or errors.new("raised"))
    local lines = {}
    for i, frame in ipairs(stack and stack.frames or {}) do
      if frame.source ~= "test.lua" then lines[#lines + 1] = frame.source .. ":" .. frame.line .. ": in " .. frame.name end
    end
    return { text = tostring(err), stack = table.concat(lines, "\n") }
  end)
  if not ok then
    result.ok, result.message, result.stack = false, failure.text, failure.stack
  end
  return result
end

local function entry_point(request)
  local answer = {}
  if request and request.run then
    test.host = request.host
    for i, number in ipairs(request.run) do answer[i] = result_of(number) end
    return json.array(answer)
  end
  for i, case in ipairs(cases) do answer[i] = { name = case.name, at = case.at, on = case.on, alone = case.alone } end
  return json.array(answer)
end

function test.describe(name, body)
  names[#names + 1] = name
  body()
  names[#names] = nil
  return entry_point
end

-- `options.on`: the hosts it is for ("virtual temporal process"); `options.alone`: it needs an execution of its own, because
-- it reads the inbox, is cancelled, or changes what others would see.
function test.it(name, options, body)
  if type(options) == "function" then options, body = {}, options end
  for key in pairs(options) do
    if key ~= "on" and key ~= "alone" then broken("unknown option '%s' of a test (on, alone)", tostring(key)) end
  end
  local path = table.concat(names, " / ")
  local full = path == "" and name or path .. " / " .. name
  cases[#cases + 1] = { name = full, at = (here()), on = options.on, alone = options.alone or false, body = body }
end

return test
