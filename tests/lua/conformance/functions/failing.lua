-- methods: declined wrapped raises raises_object text hands_on busy invalid
-- modules: funcs
local function declined()
  return nil, errors.new({ kind = "CardDeclined", message = "no funds", retryable = false, details = { code = 51 } })
end
return {
  declined = declined,
  wrapped = function() return nil, errors.wrap(errors.new(errors.CONFLICT, "taken"), "charging") end,
  raises = function() error("something broke") end,
  raises_object = function() error(errors.new(errors.NOT_FOUND, "nothing there")) end,
  text = function() return nil, "just text" end,
  hands_on = function()
    local _, err = declined()
    return nil, errors.wrap(err, "handed on")
  end,
  busy = function() return nil, errors.new({ kind = errors.UNAVAILABLE, message = "busy", retryable = true }) end,
  invalid = function() return nil, errors.new(errors.INVALID, "bad input") end,
}
