-- expect: error YAML

return function(...)
  local lines = { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" }
  for i = 1, 9 do lines[#lines + 1] = ("a%d: &a%d [%s]"):format(i, i, (("*a" .. (i - 1) .. ", "):rep(9)) .. "*a" .. (i - 1)) end
  local v, e = yaml.decode(table.concat(lines, "\n"))
  error(e)
end
