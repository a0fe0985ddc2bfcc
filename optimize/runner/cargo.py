"""다른 컴퓨터의 작업자에게 실어 보낼 파일들: 캔들과 사용자의 전략 파일.

작업자마다 한 번만 보낸다. 같은 경로에 같은 내용이 이미 있으면(같은 컴퓨터, 공유 폴더) 그것을 쓴다.
내용(sha256)으로 가리므로, 경로가 같고 내용이 다른 두 실행이 한 작업자를 함께 써도 섞이지 않는다.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimize.errors import DataError

if TYPE_CHECKING:
    from optimize.data.dataset import DatasetRef

_PATHS = (
    "ltf_path",
    "htf_path",
    "htf_index_path",
    "base_path",
    "base_start_path",
    "funding_path",
)

_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class CargoFile:
    """파일 하나의 이름표. path: coordinator가 아는 절대 경로. digest: 내용의 sha256(hex 64자)."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Kit:
    """작업자가 쓸 것. strategy: 작업자가 읽을 전략의 이름. cargo: 실어 보낸 파일들(이 컴퓨터면 비었다)."""

    strategy: str
    cargo: tuple[CargoFile, ...] = ()


# 이 프로세스에서 그 파일이 있는 곳.
_PLACES: dict[CargoFile, str] = {}


def portable_strategy(spec: str) -> str:
    """전략의 이름. 파일이면 어느 폴더에서나 같은 것을 가리키게 절대 경로로 바꾼다."""
    path = _strategy_path(spec)
    return spec if path is None else f"{path}:{spec.strip().rpartition(':')[2]}"


def cargo_of(refs: Iterable[DatasetRef], strategy: str) -> tuple[CargoFile, ...]:
    """자료와 전략의 파일들의 이름표, 경로의 차례. 읽을 수 없으면 OSError."""
    paths = {getattr(ref, name) for ref in refs for name in _PATHS} - {None, ""}
    own = _strategy_path(strategy)
    if own is not None:
        paths.add(str(own))
    return tuple(CargoFile(path, _digest(Path(path))) for path in sorted(paths))


def load_cargo(files: Sequence[CargoFile]) -> dict[CargoFile, bytes]:
    """보낼 내용. 읽을 수 없으면 OSError."""
    return {file: Path(file.path).read_bytes() for file in files}


def place_cargo(cargo: Mapping[CargoFile, bytes], folder: Path) -> None:
    """작업자에서: 같은 내용이 제자리에 없는 파일을 folder에 놓는다. 쓸 수 없으면 OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, content in cargo.items():
        if _has(Path(file.path), file.digest):
            _PLACES[file] = file.path
            continue
        target = folder / f"{file.digest[:16]}-{Path(file.path).name}"
        if not _has(target, file.digest):
            partial = target.with_name(f"{target.name}.{os.getpid()}.part")
            partial.write_bytes(content)
            partial.replace(target)
        _PLACES[file] = str(target)


def unpack_ref(ref: DatasetRef, cargo: Sequence[CargoFile]) -> DatasetRef:
    """이 프로세스에서 열 수 있는 ref. 받지 못한 파일이 있으면 DataError."""
    places = _places(cargo)
    moved: dict[str, Any] = {name: places[path] for name in _PATHS if (path := getattr(ref, name))}
    return replace(ref, **moved)


def unpack_strategy(spec: str, cargo: Sequence[CargoFile]) -> str:
    """이 프로세스에서 읽을 수 있는 전략의 이름. 받지 못한 파일이면 DataError."""
    path = _strategy_path(spec)
    if path is None:
        return spec
    return f"{_places(cargo)[str(path)]}:{spec.strip().rpartition(':')[2]}"


def _places(cargo: Sequence[CargoFile]) -> dict[str, str]:
    deadline = time.monotonic() + _WAIT_SECONDS
    while missing := [file.path for file in cargo if file not in _PLACES]:
        # 막 붙은 작업자는 자격을 얻은 뒤에도 파일을 받는 중일 수 있다.
        if time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            continue
        raise DataError(
            "작업자가 캔들을 받지 못했습니다",
            ", ".join(missing),
            "dask 작업자를 다시 시작하고 같은 명령을 다시 실행하세요",
        )
    return {file.path: _PLACES[file] for file in cargo}


def _strategy_path(spec: str) -> Path | None:
    path, colon, _ = spec.strip().rpartition(":")
    return Path(path).expanduser().absolute() if colon and path.endswith(".py") else None


def _has(path: Path, digest: str) -> bool:
    try:
        return _digest(path) == digest
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
