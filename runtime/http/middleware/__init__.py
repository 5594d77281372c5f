"""What a router does to every request under it, before and after a handler. Each middleware has options, checked when the registry is loaded."""
