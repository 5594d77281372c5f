"""MySQL and MariaDB, by PyMySQL."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from runtime.errors import permission_denied, unavailable
from runtime.late import late
from runtime.modules.sql.dialect import Begin, Dialect, Rows, raw_of
from runtime.modules.sql.parameters import to_format

if TYPE_CHECKING:
    import pymysql
else:
    pymysql = late("pymysql")

_CONNECT_TIMEOUT = 10  # seconds
_ANSWER = 5  # seconds that a server's answer may take longer than the statement
_COM_RESET_CONNECTION = 0x1F
_IN_TRANSACTION, _IN_READ_ONLY = 0x0001, 0x2000  # flags of the server's status
#: The first word of what reads. A text may hold a compound statement or call a procedure, which can end the transaction and go on outside.
_READS = re.compile(
    r"(?:\s | \#[^\n]*\n | --\s[^\n]*\n | /\*(?![!M]).*?\*/)* (?:\(|(?:SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|TABLE|VALUES)\b)",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


class Mysql(Dialect):
    name = "mysql"

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        return (pymysql.MySQLError,)

    def engine_options(self) -> Mapping[str, Any]:
        # The server ends a statement that takes too long, see `time_limit`; these are for one that does not answer.
        limit = math.ceil(self.statement_timeout) + _ANSWER
        return {
            "pool_pre_ping": True,
            "connect_args": {
                "connect_timeout": _CONNECT_TIMEOUT,
                "read_timeout": limit,
                "write_timeout": limit,
                "local_infile": False,
            },
        }

    def prepare(self, raw: Any) -> None:
        self.own(raw, time_limit(raw.get_server_info(), self.statement_timeout))

    def own(self, raw: Any, statement: str) -> None:
        with raw.cursor() as cursor:
            cursor.execute(statement)

    def begin(self, raw: Any, begin: Begin) -> None:
        if begin.level:
            self.own(raw, f"SET TRANSACTION ISOLATION LEVEL {begin.level}")
        self.own(raw, f"START TRANSACTION {begin.access}")

    def is_in(self, raw: Any, begin: Begin) -> bool:
        return bool(raw.server_status & (_IN_READ_ONLY if begin.read_only else _IN_TRANSACTION))

    def reset(self, raw: Any) -> None:
        """The server forgets all but which database is used; what was said when the connection was made is said again."""
        if not raw.db:
            raise unavailable("no database to go back to")
        raw._execute_command(_COM_RESET_CONNECTION, b"")
        raw._read_ok_packet()
        raw.set_character_set(raw.charset, raw.collation)
        raw.autocommit(True)
        raw.select_db(raw.db)
        self.prepare(raw)

    def written(self, sql: str, parameters: int) -> str:
        return to_format(sql, parameters)

    @contextmanager
    def statement(self, raw: Any, sql: str, begin: Begin | None) -> Iterator[None]:
        if begin is not None and begin.read_only and not _READS.match(sql):
            raise permission_denied(f"{self.id}: a read-only transaction takes SELECT, WITH, SHOW and EXPLAIN only")
        yield

    @contextmanager
    def rows(self, connection: Connection, sql: str, parameters: tuple[Any, ...]) -> Iterator[Rows]:
        with raw_of(connection).cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute(sql, parameters)
            columns = [column[0] for column in cursor.description or ()]
            yield Rows(columns, cursor if columns else ())


def time_limit(version: str, seconds: float) -> str:
    """The statement that has the server end others after so long. MySQL heeds it for SELECT only."""
    if "mariadb" in version.lower():
        return f"SET SESSION max_statement_time = {seconds:.3f}"
    return f"SET SESSION max_execution_time = {max(1, round(seconds * 1000))}"
