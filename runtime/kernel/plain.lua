-- On first use of: plain plain_fields
-- Values as anybody may see them: what has no JSON form becomes its text instead of a fault, for log lines and error details.
return function(K)
  local raw = K.raw
  local type, mathtype, next = raw.type, raw.math.type, raw.next
  local utf8, gsub, huge = raw.utf8, raw.string.gsub, raw.math.huge
  local marks, null = K.json_marks, K.null

  -- For log fields and error details: everything that has no JSON form becomes its text instead of a fault.
  function K.plain(value, depth)
    depth = depth or 0
    local kind = type(value)
    if kind == "string" then return utf8.len(value) and value or gsub(value, "[\128-\255]", "?") end
    if kind == "number" then
      if value ~= value or value == huge or value == -huge then return K.tostring(value) end
      return value
    end
    if kind == "boolean" or kind == "nil" then return value end
    if kind == "table" and depth < 32 then
      if K.is_sealed(value) then
        local class = K.class_of(value)
        if class.to_wire then return K.plain(class.to_wire(class.state(value)), depth + 1) end
        return K.tostring(value)
      end
      local copy, items = {}, raw.rawlen(value) -- the table as it is, whatever its metatable says
      local only_array = true
      for k in next, value do
        if not (mathtype(k) == "integer" and k >= 1 and k <= items) then only_array = false end
      end
      if only_array then
        for i = 1, items do
          local v = K.plain(raw.rawget(value, i), depth + 1)
          copy[i] = v == nil and null or v
        end
        if marks[value] then marks[copy] = marks[value] end
        return copy
      end
      local ok = K.limits.guard(raw.pcall(function()
        for k, v in K.raw_pairs(value) do copy[K.plain(K.tostring(k), 32)] = K.plain(v, depth + 1) end
      end))
      if ok then return copy end
      local named, text = K.limits.guard(raw.pcall(K.tostring, value))
      return named and K.plain(text) or "a table that has no text"
    end
    local named, text = K.limits.guard(raw.pcall(K.tostring, value))
    return named and (kind == "table" and K.plain(text) or text) or "a table that has no text"
  end

  -- The fields of a log line: always an object, under names that are text.
  function K.plain_fields(fields)
    local named, copy = {}, {}
    for k, v in next, fields or {} do
      if type(k) == "string" or type(k) == "number" then named[k] = v end
    end
    for k, v in K.raw_pairs(named) do copy[K.plain(K.tostring(k))] = K.plain(v) end
    marks[copy] = "object"
    return copy
  end
end, "lasts"
