-- http_client: one request is one command; the host follows redirects and enforces where an entry may connect.
return function(K)
  local http_client = {}

  -- Streams ------------------------------------------------------------------------------------------------------------

  local Stream
  local methods = {}

  function methods:read(n)
    local state = Stream.self(self, "read")
    K.check(n, 1, "read", "integer", true)
    if n and n < 1 then return K.invalid("cannot read %d bytes", n) end
    if state.ended then return nil end
    if state.closed then return K.invalid("the stream is closed") end
    local chunk, err = K.request("http_client.read", { stream = state.id, size = n })
    if err then return nil, err end
    if chunk["end"] then
      state.ended = true
      return nil
    end
    return chunk.body or K.host("base64.decode", chunk.body64)
  end

  function methods:close()
    local state = Stream.self(self, "close")
    if state.closed then return true end
    state.closed = true
    local _, err = K.request("http_client.close", { stream = state.id })
    if err then return nil, err end
    return true
  end

  Stream = K.class("http_client.stream", methods, {})

  -- Requests -----------------------------------------------------------------------------------------------------------

  -- The options as the host reads them, and the body; or nil and INVALID.
  local function prepared(method, url, options)
    local fields = { method = method:upper(), url = url }
    for key, value in pairs(options or {}) do fields[key] = value end
    local body = fields.body
    fields.body, fields.json = nil, nil
    if options and options.json ~= nil then
      if body ~= nil then return K.invalid("http_client options body and json exclude each other") end
      local text, problem = K.json_encode(options.json)
      if not text then return K.invalid("http_client option json: %s", problem) end
      body = text
      fields.json = true
    end
    if body ~= nil and type(body) ~= "string" then
      return K.invalid("http_client option body is a %s, not a string", K.type(body))
    end
    return fields, body
  end

  local function send(method, url, options)
    local fields, body = prepared(method, url, options)
    if not fields then return { done = true, err = body } end
    return K.command("http_client.request", { args = { fields, body and K.payload.bytes(body), n = 2 } })
  end

  local function answer(pending)
    if pending.done and pending.err then return nil, pending.err end
    local response, err = K.await(pending)
    if err then return nil, err end
    if response.body64 then
      response.body = K.host("base64.decode", response.body64)
      response.body64 = nil
    end
    if response.stream then response.stream = Stream.new({ id = response.stream }) end
    return response
  end

  local function checked(fname, first, url, options)
    K.check(url, first, fname, "string")
    K.check(options, first + 1, fname, "table", true)
  end

  for _, name in ipairs({ "get", "post", "put", "patch", "delete", "head" }) do
    http_client[name] = function(url, options)
      checked(name, 1, url, options)
      return answer(send(name, url, options))
    end
  end

  function http_client.request(method, url, options)
    K.check(method, 1, "request", "string")
    checked("request", 2, url, options)
    if not method:find("^%a+$") then return K.invalid("'%s' is not an HTTP method", method) end
    return answer(send(method, url, options))
  end

  -- All at once. Responses in the order of the requests; the second value is nil, or the errors by position.
  function http_client.request_batch(requests)
    K.check(requests, 1, "request_batch", "table")
    local pending = {}
    for i, request in ipairs(requests) do
      K.check(request, 1, "request_batch", "table")
      K.check(request[1], 1, "request_batch", "string")
      checked("request_batch", 2, request[2], request[3])
      pending[i] = send(request[1], request[2], request[3])
    end
    local responses, errors = {}, nil
    for i = 1, #pending do
      local response, err = answer(pending[i])
      responses[i] = response
      if err then
        errors = errors or {}
        errors[i] = err
      end
    end
    return responses, errors
  end

  return http_client
end
