-- Values that no boundary lets through.
local function deep()
  local value = {}
  for _ = 1, 130 do value = { value } end
  return value
end

local function cyclic()
  local ring = { name = "ring" }
  ring.list = { "first", { back = ring } }
  return ring
end

return {
  text = function() return { a = { b = { "ok", "\xc3(" } } } end,
  key = function() return { a = { ["\xff"] = 1 } } end,
  mixed = function() return { a = { 1, x = 2 } } end,
  sparse = function() return { a = { [1] = 1, [3] = 3 } } end,
  cyclic = cyclic,
  deep = function() return deep() end,
  nan = function() return { a = { 1, 0 / 0 } } end,
  infinite = function() return { a = { b = 1 / 0 } } end,
  fn = function() return { a = { callback = function() end } } end,
  thread = function() return { a = { { co = coroutine.create(function() end) } } } end,
  channel = function() return { a = { ch = channel.new() } } end,
  boolean_key = function() return { a = { [true] = 1 } } end,
  float_key = function() return { a = { [1.5] = 1 } } end,
}
