-- expect: limit

-- Each branch that refuses a value says so with the whole of it.
return function()
  local branches, data = {}, ("x"):rep(1000000)
  for i = 1, 300 do branches[i] = { type = "null" } end
  while true do
    json.validate({ anyOf = branches }, data)
    json.validate({ oneOf = branches }, { data, data })
    json.validate({ allOf = branches }, data)
  end
end
