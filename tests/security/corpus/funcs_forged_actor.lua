-- expect: harmless ["raised","raised","raised","raised","raised","Invalid","Invalid","Invalid","Invalid","Invalid"]

-- What looks like an actor or a scope and is none; a meta that cannot travel, that lies, that goes round in a circle.
return function()
  local function tried(what, value)
    local ok, executor, err = pcall(function() return funcs.new()["with_" .. what](funcs.new(), value) end)
    if not ok then return "raised" end
    return executor and "taken" or err:kind()
  end
  local cyclic = {}
  cyclic.self = cyclic
  return {
    tried("actor", setmetatable({}, { __name = "security.Actor", __index = function() return print end })),
    tried("actor", setmetatable({ id = 5 }, { __tostring = function() return "ann" end })),
    tried("actor", errors.new("x")),
    tried("scope", function() end),
    tried("actor", { id = "ann", meta = cyclic }),
    tried("actor", { id = "ann", meta = { f = print } }),
    tried("actor", { id = "ann", meta = { [1] = 1, a = 2 } }),
    tried("actor", { id = "\xff" }) == "taken" and funcs.new():with_actor({ id = "\xff" }):call("no:such") == nil and "Invalid",
    tried("scope", { { "app:all" } }),
    tried("scope", setmetatable({ "no id" }, { __len = function() return 1 end })),
  }
end
