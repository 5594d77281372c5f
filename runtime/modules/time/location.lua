-- Locations: UTC, fixed offsets, zones of the database, and this machine's own zone outside workflows.
--
-- utc, localtz()                       Location objects; localtz is utc in a workflow
-- load(name), fixed(name, offset)      -> Location | nil, err
-- take(value, n, fname) -> Location's state, raising on anything else; nil gives localtz's
-- at(state, second) -> offset, abbreviation             what holds at a Unix second
-- second_of(state, clock) -> second                     the Unix second at which the location's clock shows `clock`
-- offset_of(state, abbreviation, clock) -> offset | nil
--
-- A state is {name, object, offset?}: with `offset` it is fixed, else the host is asked about `name`.

return function(K)
  local quote = K.use("modules/time/duration").quote

  local DAY <const> = 86400

  local class


  local function name_of(self)
    return class.self(self, "string").name
  end


  class = K.class("Location", { string = name_of }, { __tostring = name_of }, function(state)
    return state.name
  end)


  local function new(name, offset)
    local state = { name = name, offset = offset }
    state.object = class.new(state)
    return class.state(state.object)
  end


  local utc = new("UTC", 0)
  local machine = new("Local")
  local function localtz() return K.boot.class == "workflow" and utc or machine end
  local loaded
  K.anew(function() loaded = { UTC = utc } end)


  local function load(name)
    K.check(name, 1, "time.load_location", "string")
    if name == "" then
      return K.invalid("time.load_location: the name of the time zone is empty")
    elseif name == "Local" then
      return localtz().object
    elseif not loaded[name] then
      local known, err = K.host("time.zone_check", name)
      if not known then
        return nil, err
      end
      loaded[name] = new(name)
    end
    return loaded[name].object
  end


  local function fixed(name, offset)
    K.check(name, 1, "time.fixed_zone", "string")
    K.check(offset, 2, "time.fixed_zone", "integer")
    if name == "" then
      return K.invalid("time.fixed_zone: the name is empty")
    elseif offset <= -DAY or offset >= DAY then
      return K.invalid(string.format("time.fixed_zone: %s: the offset is in seconds, less than a day", quote(name)))
    end
    return new(name, math.tointeger(offset)).object
  end


  local function take(value, n, fname)
    if value == nil then
      return localtz()
    end
    local state = class.state(value)
    if not state then
      K.misuse("bad argument #%d to '%s' (Location expected, got %s)", n, fname, type(value))
    end
    return state
  end


  local function at(state, second)
    if state.offset then
      return state.offset, state.name
    end
    return K.host("time.zone_at", state.name, second)
  end


  -- A clock time that a change to summer time skips, or one that occurs twice, is read with one of the two offsets
  -- around the change: the one in force at the instant that the other one gives. It is Go's rule, and never fails.
  local function second_of(state, clock)
    local guess = at(state, clock)
    return clock - (at(state, clock - guess))
  end


  local function offset_of(state, abbreviation, clock)
    if state.offset then
      return state.name == abbreviation and state.offset or nil
    end
    return (K.host("time.zone_offset", state.name, abbreviation, clock))
  end


  return {
    utc = utc,
    localtz = localtz,
    new = new,
    load = load,
    fixed = fixed,
    take = take,
    at = at,
    second_of = second_of,
    offset_of = offset_of,
  }
end, "lasts"
