-- expect: harmless true

return function(...)
  local v, e = funcs.new():with_options({ ["activity.summary"] = print }):call("no:such")
  return e ~= nil
end
