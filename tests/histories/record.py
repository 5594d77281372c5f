"""Records the histories of the order example that the suite replays: ``python -m tests.histories.record LABEL``.

Run it to add histories for a new version of the example or of the kernel, under a label of their own (``order_completed.2.json``).
One that is there is never overwritten: an old history that no longer replays is a run that an upgrade would break. The code
and the kernel it ran go into `bundles/` beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from entries.services.supervisor import VARIABLES, services
from runtime import Runtime

FOLDER = Path(__file__).parent
REGISTRY = FOLDER.parent.parent / "config" / "registry.yaml"

#: Name → (customer, sku, quantity, price in cents); see entries/services for what is in stock and on accounts.
ORDERS: dict[str, tuple[str, str, int, int]] = {
    "order_completed": ("ann", "tea", 2, 450),
    "order_out_of_stock": ("ann", "moonstone", 1, 99_900),
    "order_compensated": ("penniless", "samovar", 1, 48_000),
    "order_approved": ("ann", "samovar", 5, 48_000),
}


async def record(runtime: Runtime, name: str, suffix: str) -> dict[str, Any]:
    """Runs one order to its end and gives its history."""
    customer, sku, quantity, price = ORDERS[name]
    run_id = f"{name.replace('_', '-')}-{suffix}"
    order = {"id": run_id, "customer": customer, "items": [{"sku": sku, "quantity": quantity, "price": price}]}
    pid = await runtime.spawn("app:order_workflow", order, id=run_id, worker="app:worker")
    if name == "order_approved":
        await runtime.send(pid, "approve", {"by": "ops"})
    result = await runtime.result(pid, timeout=300.0)
    print(f"{name}: {json.dumps(result)}", file=sys.stderr)
    return await runtime.history(run_id)


async def main(label: str) -> None:
    paths = {name: FOLDER / f"{name}.{label}.json" for name in ORDERS}
    if taken := [path.name for path in paths.values() if path.exists()]:
        sys.exit(f"{', '.join(taken)} is there already: take another label")
    with tempfile.TemporaryDirectory() as folder:
        async with services(Path(folder), []) as running:
            environ = {**os.environ, **{VARIABLES[name]: service.url for name, service in running.items()}}
            store = FOLDER / "bundles"
            async with Runtime.open(REGISTRY, temporal="embedded", bundles=store, environ=environ) as runtime:
                for name in ORDERS:
                    history = await record(runtime, name, label)
                    paths[name].write_text(json.dumps(history, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
