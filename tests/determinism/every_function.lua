-- Calls every function that a script can reach by names, with values of every kind; the text of what came of each call.
local MODULES = ...
local NEVER = { ["process.upgrade"] = true } -- ends the run

local function kinds()
  local meta = setmetatable({ 3 }, { __index = function() return 1 end, __lt = function() return true end, __tostring = function() return "meta" end })
  local _, err = time.parse("x", "y")
  return {
    { n = 0 }, nil, true, false, 0, 1, -1, 3, 1 << 53, math.mininteger, 1.5, -0.0, 0 / 0, 1 / 0, "", "a", "10", "0x1p4", "%d", "[a-c]+", "\0\xff",
    {}, { 1, 2, 3 }, { a = 1, b = { c = 2 }, [1.5] = 0 }, { 1, nil, 3 }, meta, function(...) return ... end, coroutine.create(print), err, time.now(), channel.new(2), string,
  }, 32
end
local FEW = { 2, 3, 6, 8, 11, 13, 16, 17, 20, 22, 23, 24, 27, 29 } -- of them, for a second argument

local describe
local function told(value, depth)
  local kind = type(value)
  if kind == "string" then return ("%q"):format(value) end
  if kind == "number" then return math.type(value) .. " " .. tostring(value) end
  if kind ~= "table" or depth == 0 then return kind .. " " .. select(2, pcall(tostring, value)) end
  local out = {}
  local ok, why = pcall(function()
    for k, v in pairs(value) do
      out[#out + 1] = told(k, 0) .. "=" .. told(v, depth - 1)
      if #out == 50 then break end
    end
  end)
  if not ok then return "sealed " .. tostring(why) end
  return "{" .. table.concat(out, ",") .. "}"
end
function describe(...)
  local out = {}
  for i = 1, math.min(select("#", ...), 20) do out[i] = told((select(i, ...)), 2) end
  return table.concat(out, " | ")
end

local function reached()
  local found, names = {}, {}
  local function look(prefix, t)
    for name, value in pairs(t) do
      if type(name) == "string" and name ~= "_G" and name ~= "_ENV" then
        local full = prefix .. name
        if type(value) == "function" and not NEVER[full] then
          found[full], names[#names + 1] = value, full
        elseif type(value) == "table" and getmetatable(value) == nil and select(2, full:gsub("%.", "")) < 2 then
          look(full .. ".", value)
        end
      end
    end
  end
  for name, value in pairs(_ENV) do
    if type(value) == "function" then found[name], names[#names + 1] = value, name end
  end
  for _, name in ipairs({ "string", "table", "math", "utf8", "coroutine", "os", "process", "errors", "channel" }) do
    if _ENV[name] then look(name .. ".", _ENV[name]) end
  end
  for name in MODULES:gmatch("%S+") do
    local module = require(name)
    pcall(look, name .. ".", module)
  end
  return found, names
end

return function(first, last)
  local found, names = reached()
  local record = { table.concat(names, " ", first, math.min(last, #names)) }
  -- In a coroutine of its own: what waits is left waiting. Arguments are new each time, since a call may change them.
  local function try(name, i, j)
    local all = kinds()
    local a, b = all[i], all[j or 2]
    local place = #record + 1
    record[place] = name .. " waits"
    coroutine.spawn(function() record[place] = name .. " " .. i .. " " .. (j or "") .. ": " .. describe(pcall(found[name], a, b)) end)
  end
  for number = first, math.min(last, #names) do
    local name = names[number]
    for i = 1, 32 do
      try(name, i)
      for _, j in ipairs(FEW) do if i % 3 == 0 then try(name, i, j) end end
    end
    time.sleep("7ns") -- which no value says
  end
  return (table.concat(record, "\n"):gsub("[\128-\255]", function(c) return ("\\x%02x"):format(c:byte()) end))
end
