"""이미 있는 테이블에 대한 권한의 점검: 남이 만든 스키마에 이 사용자가 실행할 수 있는가.

만들어 보고 되돌리는 시험은 새 테이블만 본다. 여기서는 Optuna와 우리 테이블·sequence의 권한과,
아직 없는 우리 색인·외래 열쇠를 만들 수 있는지를 catalog에서 읽는다.
"""

from __future__ import annotations

from collections.abc import Callable

from optimize.storage.check_step import Outcome
from optimize.storage.diagnosis_situation import Situation, quote_identifier

Query = Callable[[str], list[list[str | None]]]
_READ_ONLY_TABLES = "'alembic_version', 'version_info'"
_HERE = "relnamespace = to_regnamespace(quote_ident(current_schema()))"


def judge_grants(query: Query, situation: Situation) -> Outcome | None:
    """막는 것이 있으면 그 판정, 없으면 None."""
    from optimize.storage import tables

    ours = [table.name for table in tables.WIZARD_TABLES]
    closed = [str(row[0]) for row in query(_closed(_list([*tables.optuna.tables, *ours])))]
    if closed:
        return _no_grants(closed, situation, query)
    indexes = _list([tables.NUMBER_INDEX, tables.UNFINISHED_INDEX])
    for made, owner, references in query(_unmade(_list(ours), len(ours), indexes)):
        needed = []
        if made == "f" and owner == "f":
            needed.append(f"ALTER TABLE trials OWNER TO {situation.role};")
        if made == "f" and references == "f":
            needed.append(f"GRANT REFERENCES ON studies, trials TO {situation.role};")
        if needed:
            return Outcome(
                "fail",
                "trials에 색인이나 외래 열쇠를 만들 수 없습니다",
                f"Optuna의 테이블이 다른 사용자의 것이라 '{situation.target.user}'이(가) 이 프로그램의 "
                "테이블(wizard_*)과 색인을 만들 수 없습니다",
                "관리자로 이 데이터베이스에서:\n" + "\n".join(needed),
            )
    return None


def _no_grants(closed: list[str], situation: Situation, query: Query) -> Outcome:
    schema = quote_identifier(str(query("SELECT current_schema()")[0][0]))
    role = situation.role
    return Outcome(
        "fail",
        f"쓸 수 없는 것: {', '.join(closed)}",
        f"사용자 '{situation.target.user}'은(는) 이미 있는 테이블을 읽기만 할 수 있습니다"
        "(쓸 권한이 없거나 모자랍니다)",
        "관리자로 이 데이터베이스에서:\n"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};\n"
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};\n"
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};",
    )


def _closed(names: str) -> str:
    """권한이 모자란 테이블과, 그 번호를 내는 sequence의 이름들."""
    return (
        f"SELECT c.relname FROM pg_class c WHERE c.{_HERE} AND CASE "  # noqa: S608 — 우리의 이름들
        f"WHEN c.relkind IN ('r', 'p') AND c.relname IN ({names}) THEN NOT ("
        "has_table_privilege(c.oid, 'SELECT') "
        f"AND (c.relname IN ({_READ_ONLY_TABLES}) OR has_table_privilege(c.oid, 'INSERT') "
        "AND has_table_privilege(c.oid, 'UPDATE')) "
        "AND (c.relname <> 'wizard_claims' OR has_table_privilege(c.oid, 'DELETE'))) "
        "WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') AND EXISTS ("
        "SELECT 1 FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid "
        f"WHERE d.objid = c.oid AND d.deptype IN ('a', 'i') AND t.relname IN ({names})) "
        "ELSE false END ORDER BY c.relname"
    )


def _unmade(ours: str, count: int, indexes: str) -> str:
    """(우리 것이 다 있는가, trials의 주인인가, 외래 열쇠로 이을 수 있는가). Optuna의 테이블이 없으면 빈 결과."""
    return (
        "SELECT (SELECT count(*) FROM pg_class "  # noqa: S608 — 우리의 이름들
        f"WHERE {_HERE} AND (relkind IN ('r', 'p') AND relname IN ({ours}) "
        f"OR relkind = 'i' AND relname IN ({indexes}))) = {count + 2}, "
        "pg_has_role(t.relowner, 'USAGE'), has_table_privilege(t.oid, 'REFERENCES') "
        "AND has_table_privilege(to_regclass('studies'), 'REFERENCES') FROM pg_class t "
        "WHERE t.oid = to_regclass('trials') AND to_regclass('studies') IS NOT NULL"
    )


def _list(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
