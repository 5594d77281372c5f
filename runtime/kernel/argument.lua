-- What a script hands to a string function, as the text or number that Lua's own would take it for.
return function(K)
  local raw = K.raw
  local type, tostring = raw.type, K.tostring
  local argument = {}

  -- An error object counts as its text. Argument `n` of `fname` must be text; without `n` whatever else it is goes through.
  function argument.text(value, n, fname)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" or kind == "table" and K.is_error(value) then return tostring(value) end
    if n then K.check(value, n, fname, "string") end
    return value
  end

  -- A number, or text that is one: what the real function would refuse is refused here, where the script's line is known.
  function argument.number(value, n, fname)
    if raw.tonumber(value) == nil then K.check(value, n, fname, "number") end
  end

  return argument
end, "lasts"
