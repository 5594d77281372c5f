-- `count` turns of one item of ordinary Lua, each a loop of everyday work. Runs in a workflow, and in Lua as it is.
local function words(bytes)
  return (("the quick brown fox = 12 jumps over-7 the lazy dog; "):rep(bytes // 50 + 1)):sub(1, bytes)
end

local function filled(size, key)
  local t = {}
  for i = 1, size do
    t[key and key .. i or i] = i
  end
  return t
end

local function walking(size, key, walk)
  return function()
    local t = filled(size, key)
    return function()
      return walk(t)
    end
  end
end

local function by_pairs(t)
  local n = 0
  for _, v in pairs(t) do
    n = n + v
  end
  return n
end

local function by_next(t)
  local n = 0
  local k, v = next(t)
  while k ~= nil do
    n = n + v
    k, v = next(t, k)
  end
  return n
end

local function by_ipairs(t)
  local n = 0
  for _, v in ipairs(t) do
    n = n + v
  end
  return n
end

local function on_text(bytes, work)
  return function()
    local text = words(bytes)
    return function()
      return work(text)
    end
  end
end

local function matches(pattern)
  return function(text)
    local n = 0
    for _ in text:gmatch(pattern) do
      n = n + 1
    end
    return n
  end
end

local items = {
  empty = function()
    return function() end
  end,
  arithmetic = function()
    return function()
      local n = 0
      for i = 1, 1000 do
        n = n + i % 7
      end
      return n
    end
  end,
  closures = function()
    return function()
      local n = 0
      for i = 1, 100 do
        local f = function()
          return i
        end
        n = n + f()
      end
      return n
    end
  end,
  ["pairs, 4 keys"] = walking(4, "k", by_pairs),
  ["pairs, 16 keys"] = walking(16, "k", by_pairs),
  ["pairs, 1,000 keys"] = walking(1000, "k", by_pairs),
  ["pairs, an array of 10"] = walking(10, nil, by_pairs),
  ["next, 16 keys"] = walking(16, "k", by_next),
  ["ipairs, 100 items"] = walking(100, nil, by_ipairs),
  ["table.insert and remove"] = function()
    return function()
      local t = {}
      for i = 1, 100 do
        table.insert(t, i)
      end
      for _ = 1, 100 do
        table.remove(t)
      end
      return #t
    end
  end,
  ["table.concat of 100"] = walking(100, nil, function(t)
    return #table.concat(t, ",")
  end),
  ["table.sort of 100"] = function()
    return function()
      local t = {}
      for i = 1, 100 do
        t[i] = (i * 37) % 101
      end
      table.sort(t)
      return t[1]
    end
  end,
  ["coroutine.resume"] = function()
    return function()
      local co = coroutine.create(function()
        for _ = 1, 100 do
          coroutine.yield()
        end
      end)
      while coroutine.status(co) ~= "dead" do
        coroutine.resume(co)
      end
    end
  end,
  ["methods through setmetatable"] = function()
    local Account = {}
    Account.__index = Account
    function Account.new()
      return setmetatable({ balance = 0 }, Account)
    end
    function Account:add(n)
      self.balance = self.balance + n
    end
    return function()
      for _ = 1, 20 do
        local account = Account.new()
        account:add(1)
      end
    end
  end,
  pcall = function()
    local function one()
      return 1
    end
    return function()
      for _ = 1, 100 do
        pcall(one)
      end
    end
  end,
  ["string.format"] = function()
    return function()
      local n = 0
      for i = 1, 100 do
        n = n + #string.format("%d: %s (%.2f)", i, "text", i / 3)
      end
      return n
    end
  end,
}

for label, bytes in pairs({ ["10 B"] = 10, ["1 KB"] = 1000, ["100 KB"] = 100000, ["1 MB"] = 1000000 }) do
  items["gmatch of words, " .. label] = on_text(bytes, matches("%a+"))
  items["gmatch of pairs, " .. label] = on_text(bytes, matches("(%w+) = (%w+)"))
  items["trim, " .. label] = on_text(bytes, function(text)
    return #text:match("^%s*(.-)%s*$")
  end)
  items["find of digits, " .. label] = on_text(bytes, function(text)
    return text:find("(%d+)%-(%d+)")
  end)
  items["gsub of words, " .. label] = on_text(bytes, function(text)
    return #text:gsub("%a+", "x")
  end)
end

return function(item, count)
  local work = items[item]()
  for _ = 1, count do
    work()
  end
  return 1
end
