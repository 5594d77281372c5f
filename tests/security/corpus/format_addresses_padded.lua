-- expect: harmless ["table: 1  |", "  function: 2|", "(null)", "thread: 3", "    (null)", "(null)"]

return function()
  local t, f, thread = {}, function() end, coroutine.create(function() end)
  return { ("%-10p|"):format(t), ("%13p|"):format(f), ("%p"):format("text"), ("%5p"):format(thread), ("%10p"):format(print and 1),
    ("%p"):format(nil) }
end
