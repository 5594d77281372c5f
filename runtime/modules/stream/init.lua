-- stream: what is published to those who follow a run.
return function(K)
  local stream = {}

  local function is_run(run) return type(run) == "string" and run ~= "" end

  -- Returns once the host has it, which is before the store has: nobody waits for that.
  function stream.publish(name, data, options)
    K.check(name, 1, "publish", "string")
    K.check(options, 3, "publish", "table", true)
    local position, run = options and options.position, options and options.run
    if name == "" then return K.invalid("the name of a stream is empty") end
    if run ~= nil and not is_run(run) then return K.invalid("run is the id or PID of a run") end
    return K.request("stream.publish", { name = name, position = position, run = run, args = { data, n = 1 } })
  end

  -- A channel of what is published to a run, closed after the event with which the run ends.
  function stream.subscribe(run, options)
    K.check(run, 1, "subscribe", "string")
    K.check(options, 2, "subscribe", "table", true)
    local name, after = options and options.name, options and options.after
    if not is_run(run) then return K.invalid("run is the id or PID of a run") end
    if name ~= nil and (type(name) ~= "string" or name == "") then return K.invalid("name is the name of a stream") end
    if after ~= nil and type(after) ~= "string" then return K.invalid("after is the id of an event") end
    local at = K.where()
    local number, err = K.request("stream.subscribe", { run = run, name = name, after = after })
    if err then return nil, err end
    return K.feed({ number = number, next = "stream.next", close = "stream.unsubscribe", at = at }).channel
  end

  return stream
end
