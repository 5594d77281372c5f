-- On first use of: context merged
-- What callers set for those they call: the run's context, which `ctx` shows, and what it is overlaid with.
return function(K)
  local next = K.raw.next
  K.context = K.boot.ctx or {}

  -- A copy of `base` with `overlay` on top; for contexts and options.
  function K.merged(base, overlay)
    local copy = {}
    for k, v in next, base or {} do copy[k] = v end
    for k, v in next, overlay or {} do copy[k] = v end
    return K.object(copy)
  end
end
