-- expect: error cannot wait here

return function(...)
  table.sort({ 3, 2, 1 }, function()
    local ok, e = coroutine.resume(coroutine.create(function() time.sleep("1s") end))
    error(e, 0)
  end)
end
