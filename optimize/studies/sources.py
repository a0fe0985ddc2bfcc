"""아는 저장소들: `studies/` 아래의 SQLite 파일과 기록(storage.json), 설정된 것, 내장 PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from optimize import paths
from optimize.errors import SettingsError, StorageError
from optimize.settings.dotenv_file import read_dotenv
from optimize.settings.storage_part import load_storage_settings
from optimize.storage.listing import (
    Listing,
    StudyInfo,
    distinct,
    gather,
    sqlite_files,
    stream_all,
)
from optimize.storage.listing_cache import ListingCache
from optimize.storage.local_server import embedded_url
from optimize.storage.options import StorageOptions
from optimize.storage.pointer import FILE_NAME, Pointer, read_pointer
from optimize.storage.resolve import resolve
from optimize.storage.url import StorageUrl, parse_storage_url

_LIST_TIMEOUT_S = 3


@dataclass(frozen=True, slots=True)
class Sources:
    """볼 저장소들.

    chosen: 사용자가 하나를 골랐는가(닿지 못하면 오류). assumed: 아무도 정하지 않아 넣은 기본 URL
    (닿지 못해도 알리지 않는다). notes: 읽지 못한 기록 따위의 알림.
    """

    urls: list[StorageUrl]
    options: StorageOptions
    chosen: bool = False
    assumed: StorageUrl | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def collect(cls, config: Path | None, url: str | None, env_name: str | None) -> Sources:
        """저장소들을 모은다. SettingsError: 설정이나 URL이 틀렸다."""
        settings = load_storage_settings(config)
        if url or env_name:
            return cls([_chosen(url, env_name)], settings.options, chosen=True)
        notes: list[str] = []
        dotenv = read_dotenv()
        found = [*sqlite_files(), *_pointed(dotenv, notes)]
        configured = resolve(None, None, settings.url_env, settings.url, None, os.environ, dotenv)
        found += [configured.url] if configured.url else []
        ours = embedded_url()
        found += [ours] if ours else []
        return cls(
            distinct(found),
            settings.options,
            assumed=configured.url if configured.rule == "default" else None,
            notes=notes,
        )

    def listing(self) -> Listing:
        """모든 저장소의 스터디. 고른 저장소에 닿지 못하면 StorageError."""
        return gather(self.stream())

    def stream(self) -> Iterator[tuple[StorageUrl, list[StudyInfo] | StorageError]]:
        """`listing`과 같은 것을 읽는 대로. 오래 셀 저장소는 counting인 줄들이 먼저 온다."""
        options = self.options
        if not self.chosen:
            # 여러 곳을 훑을 때는 죽은 서버나 남이 잠근 파일 하나가 목록을 오래 잡지 않게 한다.
            options = replace(
                options,
                connect_timeout=min(_LIST_TIMEOUT_S, options.connect_timeout),
                sqlite_timeout=min(_LIST_TIMEOUT_S, options.sqlite_timeout),
            )
        for url, found in stream_all(self.urls, options, ListingCache.default()):
            if self.chosen and isinstance(found, StorageError):
                raise found
            if url != self.assumed or not isinstance(found, StorageError):
                yield url, found

    def find(self, name: str, storage: str | None) -> StudyInfo:
        """이름의 스터디 하나. 없거나 여럿이면 SettingsError, 못 본 저장소가 있으면 함께 말한다."""
        listing = self.listing()
        named = [info for info in listing.studies if info.name == name]
        matches = [info for info in named if not storage or storage in info.url.masked]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise SettingsError(
                f"'{name}' 스터디가 여러 저장소에 있습니다",
                "\n".join(info.url.masked for info in matches),
                "--storage 로 하나를 고릅니다",
            )
        unread = [item for item in listing.failures if not storage or storage in item[0].masked]
        if unread:
            url, error = unread[0]
            raise StorageError(
                f"'{name}' 스터디를 찾지 못했습니다",
                f"읽지 못한 저장소가 있습니다: {url.masked} — {reason(url, error)}",
                error.fix,
            )
        if named:
            raise SettingsError(
                f"'{storage}'인 저장소에는 '{name}' 스터디가 없습니다",
                "\n".join(["여기에 있습니다:", *(info.url.masked for info in named)]),
                "--storage 에 위의 저장소의 일부를 줍니다",
            )
        raise SettingsError(
            f"'{name}' 스터디가 없습니다",
            _likely(name, [info.name for info in listing.studies]),
            "python -m optimize.studies list 로 이름을 봅니다",
        )


def reason(url: StorageUrl, error: StorageError) -> str:
    """그 저장소를 읽지 못한 까닭, URL은 빼고(곁에 적는다)."""
    return error.cause.removeprefix(f"{url.masked} — ")


def _chosen(url: str | None, env_name: str | None) -> StorageUrl:
    if url:
        return parse_storage_url(url)
    found = resolve(None, env_name, None, None, None, os.environ, read_dotenv())
    if found.rule != "cli_env" or found.url is None:
        raise SettingsError(
            f"환경 변수 {env_name}에 저장소 URL이 없습니다",
            "비었거나 정해지지 않았습니다",
            f"export {env_name}='postgresql://사용자:비밀번호@127.0.0.1:5432/optuna'",
        )
    return found.url


def _pointed(dotenv: Mapping[str, str], notes: list[str]) -> Iterator[StorageUrl]:
    for path in sorted(paths.studies_dir().glob(f"*/{FILE_NAME}")):
        try:
            pointer = read_pointer(path)
            if pointer is None or _is_beside(pointer, path):
                continue
            url = resolve(None, None, None, None, pointer, os.environ, dotenv).url
        except (StorageError, SettingsError) as error:
            notes.append(f"{path}: {error.title} — {error.cause}")
            continue
        # 지워진 SQLite 파일을 가리키는 기록은 목록에서 뺀다.
        if url is not None and (url.path is None or url.path.exists()):
            yield url


def _is_beside(pointer: Pointer, path: Path) -> bool:
    """기록이 같은 폴더의 SQLite 파일을 가리키는가(`sqlite_files`가 이미 찾았다)."""
    folder, _, name = (pointer.sqlite_path or "").rpartition("/")
    return (
        pointer.backend == "sqlite"
        and name.endswith(".db")
        and folder == f"studies/{path.parent.name}"
    )


def _likely(name: str, names: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"혹시 '{close[0]}'인가요?" if close else ""
