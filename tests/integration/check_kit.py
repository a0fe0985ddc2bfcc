"""연결 점검의 시험이 함께 쓰는 것."""

from __future__ import annotations

from typing import Any

from postgres_lab import PASSWORD

from optimize.storage.check import run_check
from optimize.storage.check_step import CheckStep
from optimize.storage.options import StorageOptions
from optimize.storage.url import StorageUrl

OPTIONS = StorageOptions(connect_timeout=5)


def check(
    url: StorageUrl, options: StorageOptions = OPTIONS, **kwargs: Any
) -> dict[str, CheckStep]:
    """단계마다의 판정. 비밀번호가 보이지 않고, 실패와 주의에는 원인과 해결이 있다."""
    steps = list(run_check(url, options, 5, **kwargs))
    for step in steps:
        for text in (step.detail_ko, step.cause_ko, step.fix_ko):
            assert PASSWORD not in text
        if step.status in {"fail", "warn"}:
            assert step.cause_ko, step
            assert step.fix_ko, step
    return {step.name: step for step in steps}
