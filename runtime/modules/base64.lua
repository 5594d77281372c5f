-- base64: standard alphabet, padded.
return function(K)
  local base64 = {}

  function base64.encode(data)
    K.check(data, 1, "encode", "string")
    return K.host("base64.encode", data)
  end

  function base64.decode(text)
    K.check(text, 1, "decode", "string")
    return K.host("base64.decode", text)
  end

  return base64
end
