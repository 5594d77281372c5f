"""http_client: HTTP requests from functions, activities and handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.late import late
from runtime.modules.definition import HOST, ModuleDef

if TYPE_CHECKING:
    from runtime.modules.http_client import requests as http_requests
else:
    http_requests = late("runtime.modules.http_client.requests")

MODULE = ModuleDef(
    name="http_client",
    classes=frozenset({HOST}),
    summary="HTTP requests from functions, activities and handlers",
    unasked=frozenset({"http_client.request", "http_client.read", "http_client.close"}),  # a request asks at every hop
    commands={
        "http_client.request": lambda call: http_requests.request(call),
        "http_client.read": lambda call: http_requests.read(call),
        "http_client.close": lambda call: http_requests.close(call),
    },
)
