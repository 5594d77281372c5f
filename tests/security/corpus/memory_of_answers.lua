-- expect: memory

-- What the host answers is held by the script like anything else.
return function()
  local text, kept = ("x"):rep(500000), {}
  while true do
    kept[#kept + 1] = base64.encode(text .. #kept)
    kept[#kept + 1] = base64.decode(kept[#kept])
  end
end
