-- What a script finds, what it does not, and that nothing of it can be broken.
-- modules: json time
-- hosts: virtual temporal process
local test = require("test")

return test.describe("globals", function()
  test.it("Lua 5.4", function()
    test.equal(_VERSION, "Lua 5.4")
    test.equal({ 7 // 2, 7 / 2, 7 & 3, 1 << 4, 7.0 // 2 }, { 3, 3.5, 3, 16, 3.0 })
    test.equal({ math.type(1), math.type(1.0), 3 | 0 }, { "integer", "float", 3 })
    local seen = {}
    for i = 1, 3 do
      if i == 2 then goto continue end
      seen[#seen + 1] = i
      ::continue::
    end
    test.equal(seen, { 1, 3 })
    local closed
    do local _ <close> = setmetatable({}, { __close = function() closed = true end }) end
    test.equal(closed, true)
  end)
  test.it("the names that are there", function()
    for _, name in ipairs({
      "process", "channel", "errors", "payload", "print", "coroutine", "string", "table", "math", "utf8", "os", "assert",
      "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable",
      "getmetatable", "tonumber", "tostring", "type", "xpcall", "load", "require", "_G", "subscribe", "unsubscribe",
    }) do
      test.equal(_G[name] ~= nil, true, name)
    end
  end)
  test.it("the names that are not", function()
    for _, name in ipairs({ "io", "debug", "package", "dofile", "loadfile", "loadstring", "collectgarbage", "python", "host", "K" }) do
      test.equal(_G[name], nil, name)
    end
    test.equal({ os.execute, os.exit, os.getenv, os.remove, os.rename, os.tmpname, string.dump }, {})
  end)
  test.it("an unknown global or field is nil", function()
    test.equal(nothing_of_that_name, nil)
    test.equal(string.nothing, nil)
    test.equal(json.nothing, nil)
  end)

  test.describe("require", function()
    test.it("gives what is listed, and what is always there", function()
      test.equal(require("json") == json, true)
      test.equal(require("string") == string, true)
      test.equal(require("process") == process, true)
      test.equal(require("test") == test, true)
    end)
    test.it("anything else raises and names the module", function()
      test.raises("http_client", function() require("http_client") end)
      test.raises("nothing", function() require("nothing") end)
      test.raises("funcs", function() require("funcs") end)
      test.raises("string expected", function() require() end)
    end)
    test.it("what is listed is a global, too; what is not, is not", function()
      test.equal(type(time.now), "function")
      test.equal(funcs, nil)
    end)
  end)

  test.describe("read-only", function()
    test.it("library tables", function()
      for _, library in ipairs({ string, table, math, utf8, coroutine, os, json, time, process, channel, errors, payload }) do
        test.raises("read-only", function() library.added = 1 end)
        test.raises("table expected", function() rawset(library, "added", 1) end)
      end
    end)
    test.it("string functions refuse wrong types at the caller's line", function()
      for name, call in pairs({
        format = function() local s = string.format("%d", "x") return s end,
        rep = function() local s = ("x"):rep({}) return s end,
        upper = function() local s = string.upper() return s end,
        sub = function() local s = ("x"):sub({}) return s end,
        find = function() local s = string.find("x", {}) return s end,
        gsub = function() local s = string.gsub({}, "x", "y") return s end,
      }) do
        local ok, err = pcall(call)
        test.equal({ ok, err:match("^[%w_/.]+:%d+: bad argument #%d to '(%w+)'") }, { false, name })
      end
    end)
    test.it("the string metatable", function()
      test.equal(getmetatable("") == nil or getmetatable("") == false, true)
      test.equal(("x"):upper(), "X")
      test.raises("attempt", function() ("x").y.z = 1 end)
    end)
    test.it("metatables of API objects", function()
      test.equal(getmetatable(errors.new("x")), false)
      test.raises("table expected", function() setmetatable(errors.new("x"), {}) end)
    end)
    test.it("library tables can be iterated", function()
      local names = {}
      for name in pairs(json) do names[#names + 1] = name end
      test.equal(names[1] ~= nil, true)
    end)
  end)

  test.describe("deterministic", function()
    test.it("pairs: the array, numbers, text, booleans", function()
      local keys = {}
      for key in pairs({ b = 1, a = 1, [10] = 1, "x", "y", [-1] = 1, [true] = 1, [2.5] = 1, ["10"] = 1 }) do keys[#keys + 1] = key end
      test.equal(keys, { 1, 2, -1, 2.5, 10, "10", "a", "b", true })
    end)
    test.it("keys that are objects cannot be put in order", function()
      test.raises("globals_test.lua", function() for _ in pairs({ [{}] = 1, [{}] = 2 }) do end end)
    end)
    test.it("a table's text is its number, not its address", function()
      test.equal(tostring({}):match("^table: %d+$") ~= nil, true)
      test.equal(tostring(print):match("^function: %d+$") ~= nil, true)
      local t = {}
      test.equal(tostring(t), tostring(t))
      test.equal(("%s"):format(t), tostring(t))
      test.equal(("%p"):format(t):match("0x") == nil, true)
    end)
    test.it("metatables that depend on garbage collection raise", function()
      test.raises("__gc", function() setmetatable({}, { __gc = print }) end)
      test.raises("__mode", function() setmetatable({}, { __mode = "k" }) end)
    end)
    test.it("randomseed raises in a workflow", { on = "virtual temporal" }, function()
      test.raises("randomseed", function() math.randomseed(1) end)
    end)
    test.it("random numbers are there", function()
      local n = math.random(1, 6)
      test.equal(n >= 1 and n <= 6, true)
      test.equal(math.random() < 1, true)
    end)
    test.it("load takes text only, into the script's own environment", function()
      test.equal(load("return 1 + 1")(), 2)
      local_global = 5
      test.equal(load("return local_global")(), 5)
      local chunk, err = load("\27Lua")
      test.equal(chunk, nil)
      test.equal(type(err), "string")
      chunk, err = load("return +")
      test.equal(chunk, nil)
      test.equal(load("return x", "=x", "t", { x = 3 })(), 3)
    end)
  end)

  test.describe("API objects", function()
    test.it("call themselves userdata", function()
      for _, object in ipairs({ errors.new("x"), channel.new(), payload.new(1), time.now(), time.parse_duration("1s"), time.utc }) do
        test.equal(type(object), "userdata")
        test.raises("cannot be changed", function() object.x = 1 end)
        test.raises("cannot", function() for _ in pairs(object) do end end)
      end
    end)
  end)

  test.it("table.create gives an empty table", function()
    test.equal(table.create(10, 5), {})
    test.raises("integer", function() table.create("x") end)
  end)
  test.it("print takes anything", function() test.equal(select("#", print("x", nil, {}, errors.new("y"))), 0) end)
end)
