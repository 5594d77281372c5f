"""The middleware of routers, which handles every request under them before and after a handler. Each middleware has options, checked when the registry is loaded."""
