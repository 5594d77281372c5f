--- What the shop has decided about orders. A workflow may read neither environment nor registry, so its configuration
-- is code: a run keeps the values it began with, and a change holds for the runs that start after it.

return {
  approval_above = 100000, -- cents; a larger order waits for somebody's approval
  approval_within = "24h",
  reminder_every = "4h",
}
