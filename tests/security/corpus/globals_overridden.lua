-- expect: harmless ["ok",3]

return function(...)
  -- The kernel and its modules keep their own functions.
  pairs, next, tostring, type, error, pcall, select, string, table, math = nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
  local ch = channel.new(1)
  ch:send("ok")
  local v = ch:receive()
  local decoded = json.decode("[1,2,3]")
  return { v, #decoded }
end
