-- What waits: sleep, after, timers and tickers. Each wait is one "timer" command, in a workflow a durable timer;
-- stopping and resetting cancel it.

return function(K)
  local locations = K.use("modules/time/location")
  local instants = K.use("modules/time/instant")
  local spans = K.use("modules/time/span")
  local times = K.use("modules/time/value")

  local UNREAD_TICKS <const> = 16


  local function now()
    return times.new(instants.of_nanoseconds(K.now(), locations.localtz()))
  end


  local function sleep(duration)
    local ns, err = spans.take_positive(duration, 1, "time.sleep")
    if not ns then
      return nil, err
    end
    local _, failure = K.await(K.command("timer", { ns = ns }))
    if failure then
      return nil, failure
    end
    return true
  end


  -- Starts a wait of `ns`, which ends with fire(err); a wait that is given up ends in silence. While it is outstanding
  -- it is `state.pending`. Returns nil and the error when it could not start, which is how a cancelled workflow refuses.
  local function arm(state, ns, fire)
    local pending = K.command("timer", { ns = ns, at = state.at })
    local refusal
    state.pending = pending
    K.on_done(pending, function(_, err)
      if state.pending ~= pending then
        return -- stopped or reset meanwhile
      end
      state.pending = nil
      refusal = err
      fire(err)
    end)
    if refusal then
      return nil, refusal
    end
    return true
  end


  -- True if there was something to stop.
  local function disarm(state)
    local pending = state.pending
    if not pending then
      return false
    end
    K.changes("stop")
    state.pending = nil
    K.cancel(pending)
    return true
  end


  local function after(duration)
    local ns, err = spans.take_positive(duration, 1, "time.after")
    if not ns then
      return nil, err
    end
    local state = { channel = K.channel.new(1), at = K.where() }
    local started
    started, err = arm(state, ns, function(failure)
      if not failure then
        K.channel.try(state.channel, now())
      end
      K.channel.close(state.channel)
    end)
    if not started then
      return nil, err
    end
    return state.channel
  end


  -- What timers and tickers have in common; `class` is filled in once it exists.
  local function waiting_methods(holder)
    local methods = {}


    function methods.channel(self)
      return holder.class.self(self, "channel").channel
    end


    methods.response = methods.channel


    function methods.stop(self)
      return disarm(holder.class.self(self, "stop"))
    end


    return methods
  end


  local function start_timer(state, ns)
    return arm(state, ns, function(failure)
      if not failure then
        K.channel.try(state.channel, now())
      end
    end)
  end


  local timer_class = {}
  local timer_methods = waiting_methods(timer_class)


  function timer_methods.reset(self, duration)
    local state = timer_class.class.self(self, "reset")
    local ns, err = spans.take_positive(duration, 1, "Timer:reset")
    if not ns then
      return nil, err
    end
    local was_pending = disarm(state)
    local started
    started, err = start_timer(state, ns)
    if not started then
      return nil, err
    end
    return was_pending
  end


  timer_class.class = K.class("Timer", timer_methods)


  -- Ticks keep to multiples of the period after the start, however late each is; those missed meanwhile are skipped.
  local function next_tick(state)
    local wait = state.period - (K.now() - state.start) % state.period
    return arm(state, wait, function(failure)
      if not failure then
        K.channel.try(state.channel, now())
        next_tick(state)
      end
    end)
  end


  local ticker_class = {}
  ticker_class.class = K.class("Ticker", waiting_methods(ticker_class))


  -- A timer or ticker object over a running wait.
  local function start(class, state, begin, ns)
    local started, err = begin(state, ns)
    if not started then
      return nil, err
    end
    return class.new(state)
  end


  local function timer(duration)
    local ns, err = spans.take_positive(duration, 1, "time.timer")
    if not ns then
      return nil, err
    end
    local state = { channel = K.channel.new(1), at = K.where() }
    return start(timer_class.class, state, start_timer, ns)
  end


  local function ticker(duration)
    local ns, err = spans.take_positive(duration, 1, "time.ticker")
    if not ns then
      return nil, err
    end
    local state = { channel = K.channel.new(UNREAD_TICKS), at = K.where(), period = ns, start = K.now() }
    return start(ticker_class.class, state, next_tick)
  end


  return { now = now, sleep = sleep, after = after, timer = timer, ticker = ticker }
end, "lasts"
