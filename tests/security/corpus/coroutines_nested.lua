-- expect: error C stack overflow

return function(...)
  local function deeper() return coroutine.wrap(deeper)() end
  deeper()
end
