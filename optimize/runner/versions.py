"""작업자와 coordinator가 같은 값을 내는가를 가리는 판들."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# 값이나 그 직렬화를 바꿀 수 있는 꾸러미.
_PACKAGES = ("numpy", "numba", "distributed")
CODE = "프로그램"


def versions() -> dict[str, str]:
    """이름 → 판: Python(소수점 둘째 자리까지), 꾸러미들, 이 프로그램의 소스의 지문(12자)."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "없음"
    return {**found, CODE: _CODE_DIGEST}


def differences(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """다른 것들을 한 줄로. 같으면 빈 글."""
    return ", ".join(
        f"{name} {theirs.get(name, '없음')} (여기는 {value})"
        for name, value in mine.items()
        if theirs.get(name) != value
    )


def _code_digest() -> str:
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


# 읽어 들인 코드의 것이다: 도는 동안 파일이 바뀌어도 그대로 둔다.
_CODE_DIGEST = _code_digest()
