-- Whether a text is the client's own: the body of the request that is being answered or a part of it, a parameter or a header.
return function(K)
  local function is_in(values, text)
    for _, value in pairs(values) do
      if value == text or type(value) == "table" and is_in(value, text) then return true end
    end
    return false
  end

  return function(text)
    local about = K.boot.class ~= "workflow" and K.boot.info and K.boot.info.request
    if not about then return false end
    local body = about.body or about.body64 and K.host("base64.decode", about.body64)
    if body and string.find(body, text, 1, true) then return true end
    return is_in(about.params, text) or is_in(about.query, text) or is_in(about.headers, text)
  end
end, "lasts"
