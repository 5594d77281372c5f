-- expect: error not YAML

return function(...)
  local v, e = yaml.decode("!!python/object/apply:os.system ['id']")
  error(e)
end
