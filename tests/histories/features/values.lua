-- Values that code computes: the same in every replay, on every machine.
local recorded = require("recorded")
local V = {}

function V.random()
  local bytes = crypto.random.bytes(16)
  recorded.same({
    uuid.v1(), uuid.v4(), uuid.v7(), base64.encode(bytes), crypto.random.string(12), crypto.random.uuid(),
    math.random(), math.random(1000000), math.random(5, 10),
  })
  recorded.same({ uuid.v4(), math.random(1000000) })
  assert(funcs.new():with_options({ ["activity.id"] = uuid.v4() }):call("features:echo", 1))
  assert(process.with_name("random " .. uuid.v4()):exec("features:child_add", "features:worker", 1, 2))
  return #bytes
end

function V.json()
  recorded.same({
    json.encode({ b = 1, a = { 1, 2.0, -0.0, 1e300, 1e-7, 0.1 }, text = "ü\n\"\\\0", empty = {}, object = json.object({}) }),
    json.encode(json.decode('{"z":1,"y":[null,{}],"x":9223372036854775807,"w":9223372036854775808}')),
    tostring(2 ^ 53), tostring(10 // 3), tostring(10 / 2), tostring(1e15), tostring(-0.0), math.maxinteger, string.format("%.3f %5d %x %q", 1 / 3, 42, 255, "q"),
  })
  return "same"
end

function V.order()
  local keys, t = {}, { zebra = 1, apple = 2, mango = 3, [1] = "one", [2] = "two", [2.5] = "half" }
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  t.apple, t.kiwi = nil, 4
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  local sorted = { 5, 3, 9, 1, 7, 3, 8 }
  table.sort(sorted, function(a, b) return a > b end)
  recorded.same({ keys, sorted })
  return sorted[1]
end

function V.time()
  local day = time.date(2024, 2, 29, 23, 59, 58, 123456789, assert(time.load_location("Europe/Berlin")))
  local layouts = { time.RFC3339NANO, time.RFC1123Z, time.KITCHEN, time.STAMP_MICRO, "Mon 02 Jan 2006 -0700 MST" }
  local seen = { day, day:add_date(1, 0, 1), day:utc():weekday(), day:year_day(), tostring(assert(time.parse_duration("1h2m3.5s"))), os.time(), os.date("!%c") }
  for _, layout in ipairs(layouts) do seen[#seen + 1] = day:format(layout) end
  seen[#seen + 1] = assert(time.parse("2006-01-02", "2023-11-05")):format_rfc3339()
  seen[#seen + 1] = time.now()
  recorded.same(seen)
  return day:format(time.DATE_ONLY)
end

function V.errors()
  local seen = {}
  for _, name in ipairs({ "NOT_FOUND", "INVALID", "TIMEOUT", "UNKNOWN", "LIMIT_EXCEEDED" }) do
    local err = errors.wrap(errors.new({ kind = errors[name], message = name:lower(), details = { name = name } }), "around")
    seen[#seen + 1] = { err:kind(), err:message(), tostring(err), err:details(), errors.is(err, errors[name]) }
  end
  local ok, problem = pcall(function() local t; return t.x end)
  seen[#seen + 1] = { ok, tostring(problem) }
  recorded.same(seen)
  return #seen
end

function V.encodings()
  recorded.same({
    base64.encode("\0\1\2 text"), hash.sha256("text"), hash.hmac_sha256("text", "key"), hash.fnv64("text"), yaml.encode({ b = { 1, "two" }, a = true }),
    assert(yaml.decode("a: [1, 2.5, yes]\nb: {c: text}")), crypto.hmac.sha256("key", "data"), expr.eval("a + 1 > 2 ? 'more' : 'less'", { a = 2 }),
  })
  return "same"
end

return V
