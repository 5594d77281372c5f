-- expect: error YAML would hold more than
-- instructions: 40000000
-- instructions: 200000000

return function(...)
  local wide = {}
  for i = 1, 100001 do wide[i] = i end
  local text, err = yaml.encode(wide)
  error(err)
end
