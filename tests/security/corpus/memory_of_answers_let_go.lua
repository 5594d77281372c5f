-- expect: harmless 400

-- More than its memory altogether, of which it holds one at a time.
return function()
  local text, last = ("x"):rep(300000), nil
  for _ = 1, 20 do
    for _ = 1, 20 do last = base64.encode(text) end
    time.sleep("1ms")
  end
  return #last // 1000
end
