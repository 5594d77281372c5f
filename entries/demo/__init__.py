"""`make demo`: the order saga on a real Temporal server, shown and checked."""
