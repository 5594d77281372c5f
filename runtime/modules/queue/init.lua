-- queue: messages out, and the message that a consumer's function was called with.
return function(K)
  local queue = {}

  local function check_id(id, fname)
    K.check(id, 1, fname, "string")
    if id == "" then return K.invalid("the id of the queue is empty") end
    return true
  end

  -- How a message is published: `id`, by which the queue knows one that it has had; `delay`, until it is given to anybody.
  local function publish_options(options)
    for name in pairs(options or {}) do
      if name ~= "id" and name ~= "delay" then return K.invalid("publish: there is no option '%s'", tostring(name)) end
    end
    local id, delay = options and options.id, options and options.delay
    if id ~= nil and (type(id) ~= "string" or id == "" or #id > 255) then return K.invalid("publish: the id is 1 to 255 bytes of text") end
    if delay == nil then return { id = id } end
    local ns, problem = K.parse_duration(delay)
    if not ns then return K.invalid("publish: delay: %s", problem) end
    return { id = id, delay = ns }
  end

  function queue.publish(id, body, headers, options)
    K.check(id, 1, "publish", "string")
    K.check(headers, 3, "publish", "table", true)
    K.check(options, 4, "publish", "table", true)
    if body == nil then return K.invalid("the body of the message is nil") end
    if K.type(body) == "table" and next(body) == nil then return K.invalid("the body of the message is an empty table") end
    local ok, err = check_id(id, "publish")
    if not ok then return nil, err end
    for name in pairs(headers or {}) do
      if type(name) ~= "string" or name == "" then return K.invalid("a header is named by text, not by '%s'", tostring(name)) end
    end
    local how, problem = publish_options(options)
    if not how then return nil, problem end
    return K.request("queue.publish", {
      id = id, headers = K.merged(headers), message_id = how.id, delay_ns = how.delay, args = { body, n = 1 },
    })
  end

  function queue.info(id)
    local ok, err = check_id(id, "info")
    if not ok then return nil, err end
    return K.request("queue.info", { id = id })
  end

  local Message
  local methods = {}
  function methods:id() return Message.self(self, "id").id end
  function methods:attempt() return Message.self(self, "attempt").attempt end
  function methods:headers() return K.copy(Message.self(self, "headers").headers) end
  function methods:header(name)
    local state = Message.self(self, "header")
    K.check(name, 1, "header", "string")
    return K.copy(state.headers[name])
  end
  function methods:ack()
    Message.self(self, "ack")
    return K.request("queue.settle", { how = "ack" })
  end
  function methods:nack(reason)
    Message.self(self, "nack")
    K.check(reason, 1, "nack", "string", true)
    return K.request("queue.settle", { how = "nack", reason = reason })
  end
  Message = K.class("queue.Message", methods, {})

  local message
  function queue.message()
    local given = K.boot.info and K.boot.info.message
    if not given then return K.invalid("no message is being handled here: a consumer calls this function with one") end
    message = message or Message.new(given)
    return message
  end

  return queue
end
