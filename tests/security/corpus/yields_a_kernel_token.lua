-- expect: harmless [true,1]

return function(...)
  -- What a waiting coroutine hands to the scheduler is not handed to who resumes it.
  local co = coroutine.create(function() time.sleep("1s") coroutine.yield(1) end)
  local ok, v = coroutine.resume(co)
  return { ok, v }
end
