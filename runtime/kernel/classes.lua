-- On first use of: class
-- Classes of API objects: sealed tables whose state hangs on a key that no script can name.
return function(K)
  local raw = K.raw
  local type, getmetatable, rawget, setmetatable = raw.type, raw.getmetatable, raw.rawget, raw.setmetatable
  local sealed = K.sealed

  local STATE = {}
  function K.class(name, methods, metamethods, to_wire)
    local meta = { __metatable = false, __name = name }
    for key, value in raw.next, metamethods or {} do meta[key] = value end
    local class = { name = name, to_wire = to_wire }
    meta.__index = function(_, key) return methods[key] end
    meta.__newindex = function(_, key) K.misuse("a %s cannot be changed (field '%s')", name, K.tostring(key)) end
    meta.__pairs = function() K.misuse("a %s cannot be iterated", name) end
    meta.__len = meta.__len or function() K.misuse("a %s has no length", name) end
    sealed[meta] = class
    function class.new(state) return setmetatable({ [STATE] = state }, meta) end
    function class.state(object)
      if type(object) == "table" and getmetatable(object) == meta then return rawget(object, STATE) end
      return nil
    end
    function class.self(object, method)
      local state = class.state(object)
      if not state then
        K.misuse("bad self of '%s' (%s expected, got %s; call it with ':')", method, name, K.class_name(object) or type(object))
      end
      return state
    end
    return class
  end
end, "lasts"
