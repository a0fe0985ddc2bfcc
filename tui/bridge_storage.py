"""`bridge`의 저장소 몫: URL을 나누고 잇기, 내장 PostgreSQL. 화면은 `bridge`를 거쳐 쓴다."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.errors import WizardError
from tui.draft import Draft
from tui.problem import Problem, ProblemError

ResultT = TypeVar("ResultT")


def translated(work: Callable[[], ResultT]) -> ResultT:
    """work를 부르고 `optimize`의 오류를 `ProblemError`로 바꾼다."""
    try:
        return work()
    except WizardError as error:
        raise ProblemError(Problem(error.title, error.cause, error.fix)) from None


def storage_url(host: str, port: str, database: str, user: str, password: str) -> str:
    """나누어 적은 칸들로 만든 PostgreSQL URL(비밀번호 포함). 포트가 틀리면 ProblemError."""
    from optimize.storage.url import StorageUrl, parse_storage_url

    number = int(port) if port.isascii() and port.isdigit() else None
    url = StorageUrl(
        "postgresql",
        "psycopg2",
        user or None,
        password or None,
        host or None,
        number,
        database or None,
    )
    if port and (number is None or not 1 <= number <= 65535):
        return translated(lambda: parse_storage_url(f"postgresql://{host}:{port}")).secret
    return url.secret


def split_url(text: str) -> dict[str, str] | None:
    """붙여 넣은 PostgreSQL URL을 칸들로 나눈다. URL이 아니면 None."""
    from optimize.storage.url import parse_storage_url

    try:
        url = parse_storage_url(text)
    except WizardError:
        return None
    if url.backend != "postgresql":
        return None
    port = str(url.port) if url.port else ""
    return {
        "host": url.host or "",
        "port": port,
        "database": url.database or "",
        "user": url.username or "",
        "password": url.password or "",
    }


def pointer_is_embedded(draft: Draft) -> bool:
    """지난 실행이 이 프로젝트의 내장 PostgreSQL을 썼는가."""
    from optimize.storage.embedded import default_server
    from optimize.storage.pointer import pointer_path, read_pointer

    slugs = [f"{parse_symbol(draft.symbol).slug}_{cell.slug}" for cell in parse_grid(draft.grid)]
    try:
        pointer = next(filter(None, (read_pointer(pointer_path(slug)) for slug in slugs)), None)
        url = pointer.url() if pointer else None
        port = (default_server().directory / "port").read_text(encoding="ascii").strip()
    except (WizardError, OSError):
        return False
    return url is not None and url.host == "127.0.0.1" and str(url.port) == port


def embedded_state() -> str:
    """내장 PostgreSQL: running | stopped | absent | unusable(실행 파일이 없다)."""
    from optimize.storage.embedded import default_server
    from optimize.storage.embedded_process import wheel_binaries

    try:
        wheel_binaries()
        return default_server().status().state
    except WizardError:
        return "unusable"


def start_embedded() -> None:
    """내장 PostgreSQL을 켠다(처음이면 만든다). 몇 초 걸릴 수 있으니 다른 thread에서 부른다."""
    from optimize.storage.embedded import default_server

    translated(lambda: default_server().start())
