-- expect: harmless "only values"

return function(...)
  -- Everything within a script's reach, through whatever it may call: no value of a kind that Lua does not make itself.
  local seen, todo = {}, { _G }
  while #todo > 0 do
    local t = table.remove(todo)
    if not seen[t] then
      seen[t] = true
      for k, v in pairs(t) do
        for _, x in ipairs({ k, v }) do
          local kind = type(x)
          if kind == "userdata" and getmetatable(x) ~= false then error("an open object at " .. tostring(k)) end
          if kind == "table" then
            local meta = getmetatable(x)
            if type(meta) == "table" then todo[#todo + 1] = meta end
            todo[#todo + 1] = x
          end
        end
      end
    end
  end
  return "only values"
end
