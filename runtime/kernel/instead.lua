-- On first use of: instead
-- What to hand over instead of an object of the API that means nothing outside the script.
return function(K)
  local INSTEAD = {
    channel = "what it gives: channel:receive()",
    ["channel.case"] = "what channel.select gives for it",
    future = "its value: future:await()",
    saga = "what it was made for: ok, failures = saga:compensate()",
    logger = "nothing; the callee has a logger of its own",
    Executor = "what its function gives: executor:call(id, ...)",
    Spawner = "the PID that it gives: spawner:spawn(id, host, ...)",
    Timer = "what its channel gives: timer:channel():receive()",
    Ticker = "what its channel gives: ticker:channel():receive()",
    ["expr.program"] = "what it gives: program:run(env)",
    ["http.request"] = "what you need of it, such as request:body_json() or request:param(name)",
    ["http.response"] = "what it is to say; only a handler itself may return its response",
    ["http.stream"] = "what you read of it: stream:read(size)",
    ["http_client.stream"] = "what you read of it: stream:read(size)",
    ["events.Subscription"] = "what it gives: subscription:channel():receive()",
    ["queue.Message"] = "what you need of it: message:id(), message:headers()",
    ["operation.Operation"] = "its id, by which operation.find has it again: operation:id()",
    ["sql.Database"] = "rows: database:query(text, parameters)",
    ["sql.Statement"] = "rows: statement:query(parameters)",
    ["sql.Transaction"] = "rows: transaction:query(text, parameters)",
    Regexp = "its pattern: regexp:string()",
    Splitter = "the pieces that it makes: splitter:split(text)",
    ["store.Store"] = "a value: store:get(key)",
  }

  -- The end of the sentence that refuses an object of this class.
  function K.instead(name)
    local words = INSTEAD[name]
    return words and "; hand over " .. words or ""
  end
end, "lasts"
