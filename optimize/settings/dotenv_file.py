"""`.env`를 읽는다. 표준 라이브러리와 python-dotenv만 쓴다."""

from __future__ import annotations

import io

from optimize import paths
from optimize.errors import SettingsError, unreadable_reason


def read_dotenv() -> dict[str, str]:
    """`.env`의 변수들. 파일이 없으면 빈 사전. 값이 빈 변수도 담는다(`=`가 없는 줄은 아니다).

    SettingsError: 읽을 권한이 없거나, 글이 아니거나, 읽을 수 없는 줄이 있다. 없는 것으로 보고 다른
    저장소를 쓰지 않는다.
    """
    path = paths.dotenv_path()
    if not path.is_file():
        return {}
    from dotenv.parser import parse_stream

    try:
        lines = list(parse_stream(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            ".env를 읽지 못했습니다",
            f"{path}: {unreadable_reason(error)}",
            "UTF-8 글인지, 읽기 권한이 있는지 보세요",
        ) from None
    for line in lines:
        # 닫지 않은 따옴표나 빠진 `=`로 읽지 못한 변수를 없는 것으로 보고 다른 저장소를 쓰지 않는다.
        if line.error and any(mark in line.original.string for mark in ("=", "://")):
            raise SettingsError(
                ".env의 줄을 읽을 수 없습니다",
                f"{path}의 {line.original.line}번째 줄",
                '이렇게 적습니다: OPTUNA_STORAGE="postgresql://…" (따옴표는 짝을 맞춥니다)',
            )
    return {line.key: line.value for line in lines if line.key and line.value is not None}
