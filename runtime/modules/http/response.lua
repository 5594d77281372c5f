-- What a handler can say of its response. Status and headers may come in any order until the first write.
return function(K)
  local Response
  local methods = {}

  local function problem(text, ...)
    local _, err = K.invalid(text, ...)
    return err
  end

  local function canonical(name)
    return (name:lower():gsub("%f[%w]%w", string.upper))
  end

  -- Settings answer nil, or the error.
  local function set(state, fields)
    if state.written then return problem("status and headers are settled by the first write") end
    local pending = K.command("http.set", fields)
    return pending.done and pending.err or nil
  end

  local function set_status(state, code)
    if code < 200 or code > 599 then return problem("%d is not an HTTP status", code) end
    return set(state, { status = code })
  end

  local function set_header(state, name, value)
    if not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then return problem("not a header name: '%s'", name) end
    if value:find("[%c]") then return problem("the value of header '%s' holds a control character", name) end
    local err = set(state, { header = canonical(name), args = { value, n = 1 } })
    if not err then state.headers[canonical(name)] = value end
    return err
  end

  local function write(state, data)
    local pending = K.command("http.write", { args = { K.payload.bytes(data), n = 1 } })
    if pending.done and pending.err then return pending.err end
    state.written = true
    return nil
  end

  local function write_json(state, value)
    local text, fault = K.json_encode(value)
    if not text then return problem("the response has no JSON form: %s", fault) end
    if not state.written and not state.headers["Content-Type"] then
      local err = set_header(state, "Content-Type", "application/json")
      if err then return err end
    end
    return write(state, text)
  end

  function methods:set_status(code)
    local state = Response.self(self, "set_status")
    K.check(code, 1, "set_status", "integer")
    return set_status(state, code)
  end

  function methods:set_header(name, value)
    local state = Response.self(self, "set_header")
    K.check(name, 1, "set_header", "string")
    if type(value) == "number" then value = tostring(value) end
    K.check(value, 2, "set_header", "string")
    return set_header(state, name, value)
  end

  function methods:set_content_type(value)
    local state = Response.self(self, "set_content_type")
    K.check(value, 1, "set_content_type", "string")
    return set_header(state, "Content-Type", value)
  end

  function methods:write(data)
    local state = Response.self(self, "write")
    K.check(data, 1, "write", "string")
    return write(state, data)
  end

  function methods:write_json(...)
    local state = Response.self(self, "write_json")
    return write_json(state, (...))
  end

  -- Chainable forms: the response, or nil and the error.
  function methods:status(code)
    local state = Response.self(self, "status")
    K.check(code, 1, "status", "integer")
    local err = set_status(state, code)
    if err then return nil, err end
    return self
  end

  function methods:json(...)
    local err = write_json(Response.self(self, "json"), (...))
    if err then return nil, err end
    return self
  end

  -- Blocks until what was written so far is on its way.
  local function flush(state)
    state.written = true
    local _, err = K.request("http.flush", {})
    return err
  end

  function methods:flush() return flush(Response.self(self, "flush")) end

  local function begin_events(state)
    if state.events then return nil end
    if state.written then return problem("the response has begun already, and not as server-sent events") end
    state.events = true
    for name, value in pairs({ ["Cache-Control"] = "no-cache", ["X-Accel-Buffering"] = "no" }) do -- no proxy may hold them back
      local err = not state.headers[name] and set_header(state, name, value)
      if err then return err end
    end
    return set_header(state, "Content-Type", "text/event-stream")
  end

  function methods:set_transfer(kind)
    local state = Response.self(self, "set_transfer")
    K.check(kind, 1, "set_transfer", "string")
    if kind == "sse" then return begin_events(state) end
    if kind ~= "chunked" then return problem("unknown transfer '%s': chunked or sse", kind) end
    if state.written then return problem("status and headers are settled by the first write") end
    return nil
  end

  local function line(name, value)
    return value ~= nil and name .. ": " .. tostring(value) .. "\n" or ""
  end

  -- {name, data, id, retry}: one server-sent event, its data as JSON, sent at once; `retry` in milliseconds.
  function methods:write_event(event)
    local state = Response.self(self, "write_event")
    K.check(event, 1, "write_event", "table")
    for _, field in ipairs({ "name", "id" }) do
      if event[field] ~= nil and tostring(event[field]):find("[\r\n]") then
        return problem("the %s of an event is one line", field)
      end
    end
    local retry = event.retry
    if retry ~= nil and (math.type(retry) ~= "integer" or retry < 0) then
      return problem("the retry of an event is a whole number of milliseconds")
    end
    local text, fault = K.json_encode(event.data)
    if not text then return problem("the data of an event has no JSON form: %s", fault) end
    local err = begin_events(state)
      or write(state, line("id", event.id) .. line("event", event.name) .. line("retry", retry) .. "data: " .. text .. "\n\n")
    return err or flush(state)
  end

  Response = K.class("http.response", methods, {})
  Response.returned = function() return nil end -- what it holds is the answer already
  return Response
end
