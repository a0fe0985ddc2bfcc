"""같은 저장소를 다시 점검하는 명령: 해결에 적어, 붙여 넣으면 기본 저장소가 아니라 그 저장소에 한다."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from optimize.errors import SettingsError
from optimize.storage.failures import CHECK
from optimize.storage.local_server import EMBEDDED_URL, is_embedded
from optimize.storage.url import StorageUrl, parse_storage_url

_PRIVATE_VARIABLES = "BACKTEST_WIZARD_"


def same_check(url: StorageUrl, *, env_name: str | None = None, config: Path | None = None) -> str:
    """url을 점검하는 명령. 비밀번호의 자리는 `***`다. env_name: url을 준 환경 변수."""
    words = [*CHECK.split(), *(["--config", str(config)] if config else [])]
    names = [env_name] if env_name else []
    # 화면이 자식에게 URL을 건네는 변수는 사용자의 셸에 없다: 같은 값을 가진 사용자의 변수를 찾는다.
    names += [name for name, value in os.environ.items() if "://" in value and _is(value, url)]
    shared = [name for name in names if not name.startswith(_PRIVATE_VARIABLES)]
    if shared:
        return shlex.join([*words, "--storage-url-env", shared[0]])
    if is_embedded(url):
        return f'{shlex.join(words)} --storage-url "$({EMBEDDED_URL})"'
    return shlex.join([*words, "--storage-url", url.masked])


def _is(text: str, url: StorageUrl) -> bool:
    try:
        return parse_storage_url(text) == url
    except SettingsError:
        return False
