"""어느 저장소를 쓸지 정하는 규칙. 표준 라이브러리만 쓴다.

먼저 URL을 주는 것이 이긴다:
`--storage-url` → `--storage-url-env`의 변수 → `search.storage_url_env`의 변수 →
`search.storage_url` → `studies/<slug>/storage.json` → 기본 PostgreSQL URL.
변수는 프로세스 환경, 그다음 `.env`에서 찾는다. 있지만 빈 변수는 SQLite를 뜻하고,
아예 없는 변수는 다음 규칙으로 넘어간다.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard

from optimize.errors import SettingsError, StorageError
from optimize.masking import MASK
from optimize.storage.local_server import embedded_url
from optimize.storage.pgpass import find_password, pgpass_line
from optimize.storage.pointer import FILE_NAME, Pointer
from optimize.storage.url import (
    DEFAULT_PORT,
    Backend,
    StorageUrl,
    default_postgres_url,
    parse_storage_url,
)

# fallback은 여기서 나오지 않는다: 실행이 닿지 못해 `search.storage_fallback`으로 옮긴 것이다.
Rule = Literal["cli_url", "cli_env", "yaml_env", "yaml_url", "pointer", "default", "fallback"]


@dataclass(frozen=True, slots=True)
class ResolvedStorage:
    """정해진 저장소.

    url: None이면 스터디마다의 SQLite 파일 `studies/<slug>/<study>.db`. rule: 이긴 규칙.
    rule_ko: 사람에게 보일 까닭 한 줄. env_name: URL(또는 pointer의 비밀번호)을 준 환경 변수.
    embedded: 기록된 내장 PostgreSQL이다(꺼져 있으면 켜서 쓴다).
    """

    url: StorageUrl | None
    rule: Rule
    rule_ko: str
    env_name: str | None = None
    backend: Backend = "postgresql"
    embedded: bool = False


def resolve(
    cli_url: str | None,
    cli_env_name: str | None,
    yaml_env_name: str | None,
    yaml_url: str | None,
    pointer: Pointer | None,
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
) -> ResolvedStorage:
    """저장소를 정한다. 빈 글은 정하지 않은 것으로 본다(빈 환경 변수만 SQLite).

    SettingsError: 이긴 URL이 틀렸거나 변수의 이름이 이름이 아니다. StorageError: pointer가 이겼는데 비밀번호를 찾을 수 없다.
    """
    for name, label in (
        (cli_env_name, "--storage-url-env"),
        (yaml_env_name, "search.storage_url_env"),
    ):
        if _given(name):
            require_variable_name(name, label)
    if _given(cli_url):
        return _from_url(cli_url, "cli_url", "--storage-url 인자")
    missing: list[str] = []
    variables: tuple[tuple[str | None, Rule, str], ...] = (
        (cli_env_name, "cli_env", "--storage-url-env 인자"),
        (yaml_env_name, "yaml_env", "설정 search.storage_url_env"),
    )
    for name, rule, label in variables:
        if not _given(name):
            continue
        found = _from_env(name.strip(), rule, label, environ, dotenv)
        if found is not None:
            return found
        if name.strip() not in missing:
            missing.append(name.strip())
    skipped = f" (환경 변수 {', '.join(missing)}이(가) 없어 넘어왔습니다)" if missing else ""
    if _given(yaml_url):
        return _from_url(yaml_url, "yaml_url", f"설정 search.storage_url{skipped}")
    if pointer is not None:
        return _from_pointer(pointer, environ, dotenv, skipped)
    return ResolvedStorage(
        default_postgres_url(), "default", f"정한 것이 없어 기본 PostgreSQL을 씁니다{skipped}"
    )


def require_variable_name(name: str, label: str) -> None:
    """환경 변수의 이름이 아니면 SettingsError. URL을 적었을 수 있으므로 받은 글을 보이지 않는다."""
    if not re.fullmatch(r"[^\W\d]\w*", name.strip()):
        raise SettingsError(
            f"{label}에는 환경 변수의 이름을 적습니다",
            "받은 글이 변수의 이름이 아닙니다($나 URL은 적지 않습니다)",
            f"예: {label} OPTUNA_STORAGE\nURL을 바로 주려면 {label.removesuffix('-env').removesuffix('_env')}",
        )


def _given(text: str | None) -> TypeGuard[str]:
    return bool(text and text.strip())


def _from_url(text: str, rule: Rule, label: str) -> ResolvedStorage:
    try:
        url = parse_storage_url(text)
    except SettingsError as error:
        raise SettingsError(f"{error.title}: {label}", error.cause, error.fix) from None
    return ResolvedStorage(url, rule, label, None, url.backend)


def _from_env(
    name: str, rule: Rule, label: str, environ: Mapping[str, str], dotenv: Mapping[str, str]
) -> ResolvedStorage | None:
    where, variables = ("", environ) if name in environ else (".env의 ", dotenv)
    value = variables.get(name)
    if value is None:
        return None
    if not value.strip():
        reason = f"{where}환경 변수 {name}이(가) 비어 있어 SQLite를 씁니다 ({label})"
        return ResolvedStorage(None, rule, reason, name, "sqlite")
    found = _from_url(value, rule, f"{where}환경 변수 {name} ({label})")
    return ResolvedStorage(found.url, rule, found.rule_ko, name, found.backend)


def _from_pointer(
    pointer: Pointer, environ: Mapping[str, str], dotenv: Mapping[str, str], skipped: str
) -> ResolvedStorage:
    try:
        url = pointer.url()
    except SettingsError as error:
        raise SettingsError(f"{error.title}: {FILE_NAME}", error.cause, error.fix) from None
    label = f"지난 실행의 기록 {FILE_NAME}{skipped}"
    if url.backend == "sqlite":
        return ResolvedStorage(url, "pointer", label, pointer.storage_url_env, "sqlite")
    if pointer.embedded and (ours := embedded_url()) is not None:
        # 포트와 비밀번호는 내장 서버의 파일에 있다: 기록한 뒤 포트가 바뀌었을 수 있다.
        label += " (내장 PostgreSQL)"
        return ResolvedStorage(ours, "pointer", label, pointer.storage_url_env, embedded=True)
    password, origin = _pointer_password(pointer, url, environ, dotenv)
    if password is None and pointer.had_password:
        raise StorageError(
            "저장소의 비밀번호를 찾을 수 없습니다",
            f"{FILE_NAME}에는 비밀번호를 적지 않습니다: {url.masked}",
            _password_fix(pointer, url),
        )
    label += f", 비밀번호는 {origin}" if origin else ""
    return ResolvedStorage(
        url.with_password(password), "pointer", label, pointer.storage_url_env, "postgresql"
    )


def _pointer_password(
    pointer: Pointer, url: StorageUrl, environ: Mapping[str, str], dotenv: Mapping[str, str]
) -> tuple[str | None, str]:
    """(비밀번호, 어디서). 기록된 변수 → PGPASSWORD → ~/.pgpass → 기본 URL의 차례로 찾는다."""
    variables = {**dotenv, **environ}
    recorded = variables.get(pointer.storage_url_env or "", "")
    if recorded.strip():
        label = f"환경 변수 {pointer.storage_url_env}"
        candidate = _from_url(recorded, "pointer", label).url
        assert candidate is not None  # noqa: S101 — 비어 있지 않은 글이다
        # 다른 서버의 비밀번호를 이 서버에 보내지 않는다.
        if candidate.password is not None and candidate.same_login(url):
            return candidate.password, label
    if variables.get("PGPASSWORD"):
        return variables["PGPASSWORD"], "PGPASSWORD"
    from_file = find_password(url, variables)
    if from_file is not None:
        return from_file, "~/.pgpass"
    default = default_postgres_url()
    if pointer.had_password and default.same_login(url):
        return default.password, "기본 URL의 것"
    return None, ""


def _password_fix(pointer: Pointer, url: StorageUrl) -> str:
    name = pointer.storage_url_env or "OPTUNA_STORAGE"
    host, port = url.host or "localhost", url.port or DEFAULT_PORT
    return (
        f"export {name}='{url.with_password(MASK).masked}'  # {MASK} 자리에 비밀번호\n"
        "또는 붙여 넣고 비밀번호만 칩니다(보이지 않습니다): read -rs PGPASSWORD; export PGPASSWORD\n"
        f"또는 ~/.pgpass(권한 0600)에 한 줄: {pgpass_line(host, port, url.database, url.username)}"
    )
