"""The bundle store in a table of a database, for hosts that share no directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    insert,
    literal_column,
    make_url,
    select,
    update,
)
from sqlalchemy.dialects.mysql import DOUBLE, LONGBLOB
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from runtime.errors import Error, invalid, unavailable
from runtime.registry.bundlestore import BundleStore, Listed

T = TypeVar("T")

TABLE = "evermoon_objects"
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
#: The database's own clock, in seconds since the epoch: hosts need not agree on the time.
_CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::float8",
    "mysql": "unix_timestamp(now(6))",
}
_WAIT = 10  # seconds, for a connection or for SQLite's lock
_ATTEMPTS = 5  # at an object that others write for the first time at the same moment
#: Deadlock and lock timeout; serialization failure and deadlock.
_MYSQL_GAVE_WAY, _POSTGRES_GAVE_WAY = (1213, 1205), ("40001", "40P01")


class SqlStore(BundleStore):
    """A bundle store in a database, named by its URL: `sqlite:///path`, `postgresql://…`, `mysql://…`. The table is made when it is first needed.

    A SQLite file is for the processes of one machine. Raises `Error` INVALID, without the URL, which may hold a password, for another sort.
    """

    def __init__(self, url: str) -> None:
        self._url = _read(url)
        self._engine: Engine | None = None
        self._opening = Lock()
        self._now: Any = literal_column(_CLOCKS[self._url.get_backend_name()], Float())
        self._table = Table(
            TABLE,
            MetaData(),
            Column("folder", String(500), primary_key=True),
            Column("name", String(100), primary_key=True),
            Column("data", LargeBinary().with_variant(LONGBLOB(), "mysql"), nullable=False),
            Column("written", Float(53).with_variant(DOUBLE(), "mysql"), nullable=False),
        )

    @property
    def where(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def write_object(self, name: str, data: bytes) -> None:
        values = {"data": data, "written": self._now}

        def write(connection: Connection) -> None:
            if connection.execute(update(self._table).where(*self._is(name)).values(values)).rowcount == 0:
                connection.execute(self._insertion(name, data))

        for _ in range(_ATTEMPTS):
            try:
                return self._run(write)
            except IntegrityError:  # somebody put it there between our look and our insert: look again
                continue
        raise self._unavailable("others write the same object all the time")

    def create_object(self, name: str, data: bytes) -> bool:
        try:
            self._run(lambda connection: connection.execute(self._insertion(name, data)))
        except IntegrityError:
            return False
        return True

    def read_object(self, name: str) -> bytes | None:
        query = select(self._table.c.data).where(*self._is(name))
        found = self._run(lambda connection: connection.execute(query).scalar_one_or_none())
        return None if found is None else bytes(found)

    def list_objects(self, prefix: str) -> Sequence[Listed]:
        c, folder = self._table.c, prefix.rstrip("/")
        below = (c.folder == folder) | c.folder.startswith(f"{folder}/", autoescape=True)
        query = select(c.folder, c.name, c.written).where(below)
        rows = self._run(lambda connection: connection.execute(query).all())
        return [Listed(f"{row.folder}/{row.name}", float(row.written)) for row in rows]

    def remove_object(self, name: str, written_by: float | None = None) -> bool:
        conditions = self._is(name)
        if written_by is not None:
            conditions.append(self._table.c.written <= written_by)
        return self._run(lambda connection: connection.execute(delete(self._table).where(*conditions)).rowcount > 0)

    def close(self) -> None:
        """Lets go of the connections; the next use makes new ones."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _is(self, name: str) -> list[Any]:
        folder, _, last = name.rpartition("/")
        return [self._table.c.folder == folder, self._table.c.name == last]

    def _insertion(self, name: str, data: bytes) -> Any:
        folder, _, last = name.rpartition("/")
        return insert(self._table).values(folder=folder, name=last, data=data, written=self._now)

    def _run(self, work: Callable[[Connection], T]) -> T:
        """In a transaction of its own, and in another when the database ended that for the sake of somebody else's. Lets IntegrityError through."""
        attempt = 1
        while True:
            try:
                with self._opened().begin() as connection:
                    return work(connection)
            except IntegrityError:
                raise
            except (SQLAlchemyError, OSError) as error:
                if _gave_way(error) and attempt < _ATTEMPTS:
                    attempt += 1
                    continue
                raise self._unavailable(str(getattr(error, "orig", None) or error).partition("\n")[0]) from None

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                if self._url.get_backend_name() == "sqlite" and self._url.database:
                    Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
                wait = "timeout" if self._url.get_backend_name() == "sqlite" else "connect_timeout"
                engine = create_engine(self._url, pool_pre_ping=True, connect_args={wait: _WAIT})
                self._prepare(engine)
                self._engine = engine
            return self._engine

    def _prepare(self, engine: Engine) -> None:
        try:
            with engine.begin() as connection:
                connection.execute(CreateTable(self._table, if_not_exists=True))
        except SQLAlchemyError:  # another host made it at the same moment
            with engine.begin() as connection:
                connection.execute(select(self._table.c.name).limit(1)).close()

    def _unavailable(self, reason: str) -> Error:
        return unavailable(f"bundle store {self.where}: {reason}")


def _gave_way(error: Exception) -> bool:
    """Whether the transaction was the one of two in a deadlock that the database ended, as MySQL does with first writes side by side."""
    orig = getattr(error, "orig", None)
    number = orig.args[0] if orig is not None and orig.args else None
    return number in _MYSQL_GAVE_WAY or getattr(orig, "sqlstate", None) in _POSTGRES_GAVE_WAY


def _read(text: str) -> URL:
    try:
        url = make_url(text)
        driver = _DRIVERS.get(url.get_backend_name())
    except (ArgumentError, ValueError):
        driver = None
    if driver is None:
        scheme = text.partition("://")[0]
        raise invalid(f"a bundle store is a directory, or at a sqlite, postgresql or mysql URL, not at a {scheme} one")
    return url.set(drivername=driver)
