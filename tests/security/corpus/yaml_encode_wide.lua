-- expect: error YAML would hold more than

return function(...)
  local wide = {}
  for i = 1, 200000 do wide[i] = {} end
  local text, err = yaml.encode(wide)
  error(err)
end
