-- expect: error table expected
-- on: workflow

return function(...)
  workflow.attrs({ search = channel.new() })
end
