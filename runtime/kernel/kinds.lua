-- On first use of: kinds
-- What kinds of failure there are, as scripts name them.
return function(K)
  K.kinds = {
    NOT_FOUND = "NotFound", ALREADY_EXISTS = "AlreadyExists", INVALID = "Invalid", PERMISSION_DENIED = "PermissionDenied",
    UNAVAILABLE = "Unavailable", INTERNAL = "Internal", CANCELED = "Canceled", CONFLICT = "Conflict",
    TIMEOUT = "Timeout", RATE_LIMITED = "RateLimited", UNKNOWN = "", LIMIT_EXCEEDED = "LimitExceeded",
  }
end, "lasts"
