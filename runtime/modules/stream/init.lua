-- stream: what is published to those who follow a run.
return function(K)
  local stream = {}

  -- Returns once the host has it, which is before the store has: nobody waits for that.
  function stream.publish(name, data, options)
    K.check(name, 1, "publish", "string")
    K.check(options, 3, "publish", "table", true)
    local position, run = options and options.position, options and options.run
    if name == "" then return K.invalid("the name of a stream is empty") end
    if run ~= nil and (type(run) ~= "string" or run == "") then return K.invalid("run is the id or PID of a run") end
    return K.request("stream.publish", { name = name, position = position, run = run, args = { data, n = 1 } })
  end

  function stream.subscribe() return K.invalid("stream.subscribe is not supported yet") end

  return stream
end
