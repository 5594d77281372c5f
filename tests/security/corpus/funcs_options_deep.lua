-- expect: error deeper

return function(...)
  local o = {}
  for i = 1, 1000 do o = { o } end
  local v, e = funcs.new():with_options({ ["activity.summary"] = o }):call("no:such")
  error(e)
end
