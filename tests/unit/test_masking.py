"""비밀번호가 어떤 꼴로 와도 글에 남지 않는다."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.errors import StorageError
from optimize.masking import mask_secrets


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:canary@h:5432/d",
        "연결 실패: postgresql+psycopg2://u:can@ary/x@h/d 에서",
        "postgresql://h/d?user=u&password=canary",
        "host=h password=canary dbname=d",
        "host=h password='can ary' dbname=d",
        "PGPASSWORD=canary psql",
        "--storage-url postgresql://:canary@h/d",
    ],
)
def test_꼴마다_가린다(text: str) -> None:
    masked = mask_secrets(text)
    assert "can" not in masked
    assert "***" in masked


@given(st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=3, max_size=20))
def test_아는_비밀은_글_어디에_있어도_가린다(secret: str) -> None:
    if not (secret.isdigit() and len(secret) <= 5):
        assert secret not in mask_secrets(f"앞 {secret} 뒤", [secret]) or secret in "앞 *** 뒤"


def test_포트와_같은_기본_비밀번호는_자리에_있을_때만_가린다() -> None:
    masked = mask_secrets("postgresql://postgres:5432@127.0.0.1:5432/optuna", ["5432"])
    assert masked == "postgresql://postgres:***@127.0.0.1:5432/optuna"


def test_환경의_pgpassword를_가린다(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "한글@비밀")
    assert "한글" not in mask_secrets(
        "그 값은 한글@비밀 이고 %ED%95%9C%EA%B8%80%40%EB%B9%84%EB%B0%80 이다"
    )


def test_오류는_만들_때_가린다() -> None:
    error = StorageError("t postgresql://u:canary@h", "c password=canary", "f ?password=canary")
    assert "canary" not in f"{error} {error!r} {error.args}"
