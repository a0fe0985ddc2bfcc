"""저장소 연결 점검. 명령 `python -m optimize.storage check`와 화면이 함께 쓰는 한 구현이다."""

from __future__ import annotations

from collections.abc import Iterator

from optimize.storage.check_step import CheckStep
from optimize.storage.failures import CHECK
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl

__all__ = ["CheckStep", "first_failure", "run_check"]


def run_check(
    url: StorageUrl,
    options: StorageOptions,
    needed_connections: int | None = None,
    *,
    rule: str = "",
    quick: bool = False,
    command: str = CHECK,
) -> Iterator[CheckStep]:
    """저장소를 단계별로 점검하며 끝난 단계를 차례로 낸다.

    needed_connections: 계획이 쓸 연결 수, None이면 풀의 최대. rule: URL을 정한 규칙(보이기만 한다).
    command: 해결에 적을, 이 저장소를 다시 점검하는 명령.
    quick: 연결과 `SELECT current_database()`까지만(드라이버·SQLAlchemy를 읽지 않아 0.3초 안).
    모든 실패는 단계의 판정이다(틀린 환경 변수 PGPORT만 SettingsError). 반복을 멈추면 연결을 닫는다.
    """
    needed = options.max_connections if needed_connections is None else needed_connections
    if url.path is not None:
        from optimize.storage.check_sqlite import check_sqlite

        shown = url.masked + (f" · {rule}" if rule else "")
        yield from check_sqlite(url.path, shown, command, quick=quick)
        return
    from optimize.storage.check_postgres import check_postgres

    yield from check_postgres(url, options, needed, rule, command, quick=quick)


def first_failure(
    url: StorageUrl, options: StorageOptions, command: str = CHECK
) -> CheckStep | None:
    """연결을 막은 단계와 그 까닭, 막히지 않았으면 None. command: 해결에 적을 점검의 명령.

    드라이버의 연결 오류에는 SQLSTATE가 없고 글은 서버의 언어다. 점검은 서버와 직접 말해 까닭을 가린다.
    """
    steps = run_check(url, options, quick=True, command=command)
    return next((step for step in steps if step.status == "fail"), None)
