"""The routes of `http.static` entries, which serve the files of a directory. ETags, conditions and ranges are aiohttp's; which file may be had is decided here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from runtime.http.paths import INDEX
from runtime.http.problem import refuse
from runtime.http.routes import Params, Route
from runtime.registry.kinds import HttpStatic

#: The one name with a dot in front that is meant for the public (RFC 8615).
_WELL_KNOWN = ".well-known"


class Files:
    """A directory that is served. No request leaves it: not by `..`, by an encoded slash, nor over a link. Names that begin with a dot are not served."""

    def __init__(self, base: str, directory: Path, *, spa: bool) -> None:
        self._base = base
        self._directory = directory.resolve()
        self._spa = spa

    async def __call__(self, request: web.BaseRequest, params: Params) -> web.StreamResponse:
        rest = params["rest"]
        path, is_index = await asyncio.to_thread(self._find, rest)
        if path is None:
            raise refuse(404, "nothing is served at this path")
        if is_index and not request.path.endswith("/"):
            return web.Response(status=308, headers={"Location": self._with_slash(rest)})
        return web.FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})

    def _find(self, rest: str) -> tuple[Path | None, bool]:
        """The file, and whether it is the index of the directory that was asked for."""
        parts = [part for part in rest.split("/") if part]
        if not all(map(_is_plain, parts)):
            return None, False
        found = self._real(self._directory.joinpath(*parts))
        if found is not None and found.is_dir():
            return self._file(found / INDEX), True
        if found is None and self._spa and "." not in parts[-1]:
            return self._file(self._directory / INDEX), False
        return found if found is not None and found.is_file() else None, False

    def _file(self, path: Path) -> Path | None:
        found = self._real(path)
        return found if found is not None and found.is_file() else None

    def _real(self, path: Path) -> Path | None:
        """Where `path` really is; None when that is nowhere, or outside."""
        try:
            real = path.resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            return None
        return real if real.is_relative_to(self._directory) else None

    def _with_slash(self, rest: str) -> str:
        parts = [part for part in f"{self._base}/{rest}".split("/") if part]
        return "/" + "".join(f"{quote(part, safe='')}/" for part in parts)


def static_routes(entries: list[HttpStatic]) -> list[Route]:
    """Routes of (resolved) entries."""
    return [
        Route(
            "GET",
            f"{entry.path.rstrip('/')}/{{rest...}}",
            Files(entry.path, entry.root / entry.directory, spa=entry.spa),
            entry.id,
        )
        for entry in entries
    ]


def _is_plain(part: str) -> bool:
    hidden = part.startswith(".") and part != _WELL_KNOWN
    return not hidden and not any(char in part for char in ("\\", "\x00", ":"))
