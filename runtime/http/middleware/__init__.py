"""The middleware of routers, which handles every request under them before and after a handler. Each middleware has options, checked when the registry is loaded."""

from runtime.http.middleware.chain import Chain, Middleware, Serve
from runtime.http.middleware.options import Faults, faults, options_of

__all__ = ["Chain", "Faults", "Middleware", "Serve", "faults", "options_of"]
