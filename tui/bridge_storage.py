"""`bridge`의 저장소 몫: URL을 나누고 잇기, 내장 PostgreSQL. 화면은 `bridge`를 거쳐 쓴다."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

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


def require_variable(name: str) -> None:
    """고른 변수가 없으면 다음 규칙으로 조용히 넘어가지 않게 한다. 없으면 ProblemError."""
    from optimize.settings.dotenv_file import read_dotenv
    from tui.text import wizard as ko

    if not name:
        raise ProblemError(Problem(ko.ENV_EMPTY, fix=ko.ENV_EMPTY_FIX))
    if name not in os.environ and name not in read_dotenv():
        title, fix = ko.ENV_MISSING, ko.ENV_MISSING_FIX
        raise ProblemError(Problem(title.format(name=name), fix=fix.format(name=name)))


def is_port(text: str) -> bool:
    """포트인가. 빈 글은 기본 포트다."""
    return not text or (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535)


def storage_url(host: str, port: str, database: str, user: str, password: str) -> str:
    """나누어 적은 칸들로 만든 PostgreSQL URL(비밀번호 포함). 데이터베이스 뒤에 `?sslmode=…`를 적어도 된다.

    포트가 틀리면 읽을 수 없는 URL을 준다: 저장소를 정하는 쪽이 까닭을 말한다(빈 URL은 SQLite를 뜻한다).
    """
    from optimize.storage.url import StorageUrl, parse_storage_url

    if not is_port(port):
        return "postgresql://127.0.0.1:x"
    name, question, query = database.partition("?")
    options = parse_storage_url(f"postgresql:///?{query}").query if question else ()
    url = StorageUrl(
        "postgresql",
        "psycopg2",
        user or None,
        password or None,
        host or None,
        int(port) if port else None,
        name or None,
        query=options,
    )
    return url.secret


def split_url(text: str) -> dict[str, str] | None:
    """붙여 넣은 PostgreSQL URL을 칸들로 나눈다. 뒤의 `?sslmode=…`는 데이터베이스에 붙는다. URL이 아니면 None."""
    from optimize.storage.url import parse_storage_url

    try:
        url = parse_storage_url(text)
    except WizardError:
        return None
    if url.backend != "postgresql":
        return None
    port = str(url.port) if url.port else ""
    options = "&".join(f"{key}={quote(value)}" for key, value in url.query)
    return {
        "host": url.host or "",
        "port": port,
        "database": (url.database or "") + (f"?{options}" if options else ""),
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
