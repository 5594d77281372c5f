-- What a handler can ask of its request.
return function(K)
  local Request, Stream
  local methods = {}

  local function canonical(name)
    return (name:lower():gsub("%f[%w]%w", string.upper))
  end

  -- What has arrived of the body.
  local function arrived(about)
    if about.body64 then
      about.body = K.host("base64.decode", about.body64)
      about.body64 = nil
    end
    return about.body or ""
  end

  -- The whole body; waits for the rest of one that is still arriving.
  local function body_of(about)
    if about.streaming then return K.invalid("the body is being read as a stream") end
    if not about.more then return arrived(about) end
    about.streaming = true -- for whoever else asks meanwhile
    local rest, err = K.request("http_body.read_all", {})
    if err then return nil, err end
    about.body, about.more, about.streaming = arrived(about) .. rest, nil, nil
    return about.body
  end

  for _, name in ipairs({ "method", "path", "host", "remote_addr" }) do
    methods[name] = function(self) return Request.self(self, name)[name] end
  end

  function methods:query(key)
    local about = Request.self(self, "query")
    K.check(key, 1, "query", "string")
    local values = about.query[key]
    return values and values[1]
  end

  -- A name given several times has its values joined with commas.
  function methods:query_params()
    local params = {}
    for key, values in pairs(Request.self(self, "query_params").query) do params[key] = table.concat(values, ",") end
    return params
  end

  function methods:header(name)
    local about = Request.self(self, "header")
    K.check(name, 1, "header", "string")
    return about.headers[name:lower()]
  end

  function methods:headers()
    local headers = {}
    for name, value in pairs(Request.self(self, "headers").headers) do headers[canonical(name)] = value end
    return headers
  end

  function methods:param(name)
    local about = Request.self(self, "param")
    K.check(name, 1, "param", "string")
    return about.params[name]
  end

  function methods:params() return K.copy(Request.self(self, "params").params) end

  function methods:content_type() return Request.self(self, "content_type").headers["content-type"] end

  -- -1: a body that is still arriving, whose client did not say how long it is.
  function methods:content_length()
    local about = Request.self(self, "content_length")
    if not about.more then return #arrived(about) end
    return math.tointeger(tonumber(about.headers["content-length"])) or -1
  end

  function methods:has_body()
    local about = Request.self(self, "has_body")
    return about.more or #arrived(about) > 0
  end

  function methods:body() return body_of(Request.self(self, "body")) end

  function methods:body_json()
    local body, err = body_of(Request.self(self, "body_json"))
    if not body then return nil, err end
    if body == "" then return K.invalid("the request has no body") end
    local value, problem = K.json_decode(body)
    if problem then return K.invalid("the request body is not JSON: %s", problem) end
    return value
  end

  local function media_type(text) return (text:match("^%s*([^;]-)%s*$") or text:match("^%s*([^;]-)%s*;") or ""):lower() end

  function methods:is_content_type(wanted)
    local about = Request.self(self, "is_content_type")
    K.check(wanted, 1, "is_content_type", "string")
    local given = about.headers["content-type"]
    return given ~= nil and media_type(given) == media_type(wanted)
  end

  -- Whether the client takes this media type; a client that does not say takes anything.
  function methods:accepts(wanted)
    local about = Request.self(self, "accepts")
    K.check(wanted, 1, "accepts", "string")
    local given = about.headers["accept"]
    if given == nil or given == "" then return true end
    local main = media_type(wanted)
    local family = main:match("^[^/]*") .. "/*"
    for item in given:gmatch("[^,]+") do
      local range = media_type(item)
      local refused = item:find(";%s*q%s*=%s*0%.?0*%s*$") ~= nil
      if not refused and (range == "*/*" or range == family or range == main) then return true end
    end
    return false
  end

  local stream_methods = {}
  function stream_methods:read(n)
    local state = Stream.self(self, "read")
    K.check(n, 1, "read", "integer", true)
    if n and n < 1 then return K.invalid("cannot read %d bytes", n) end
    if state.closed then return K.invalid("the stream is closed") end
    if state.at > state.last then
      if not state.about then return nil end
      local more, err = K.request("http_body.read", { size = n })
      if err then return nil, err end
      if more == "" then
        state.about = nil
        return nil
      end
      return more
    end
    local chunk = state.body:sub(state.at, n and math.min(state.at + n - 1, state.last) or state.last)
    state.at = state.at + #chunk
    return chunk
  end
  function stream_methods:close()
    Stream.self(self, "close").closed = true
    return true
  end
  Stream = K.class("http.stream", stream_methods, {})

  -- The body bit by bit; of a large one no more than a bit is ever held.
  function methods:stream()
    local about = Request.self(self, "stream")
    if about.streaming then return K.invalid("the body is being read as a stream") end
    local body = arrived(about)
    local state = { body = body, at = 1, last = #body, about = about.more and about or nil }
    if about.more then about.streaming, about.body = true, nil end
    return Stream.new(state)
  end

  local function upload(body, item)
    return {
      name = item.filename, content_type = item.content_type, size = item.last - item.first + 1,
      stream = function() return Stream.new({ body = body, at = item.first, last = item.last }) end,
    }
  end

  -- {values = {name = {text…}}, files = {name = {{name, content_type, size, stream()}…}}}
  function methods:parse_multipart()
    local about = Request.self(self, "parse_multipart")
    local body, fault = body_of(about)
    if not body then return nil, fault end
    local text, err = K.host("http.multipart", about.headers["content-type"] or "", body)
    if not text then return nil, err end
    local form = { values = {}, files = {} }
    for _, item in ipairs((K.json_decode(text))) do
      local kind = item.filename and "files" or "values"
      local list = form[kind][item.name] or {}
      form[kind][item.name] = list
      list[#list + 1] = item.filename and upload(body, item) or body:sub(item.first, item.last)
    end
    return form
  end

  Request = K.class("http.request", methods, {})
  return Request
end
