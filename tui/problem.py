"""화면에 보일 문제 하나: 제목, 원인, 해결. `optimize`를 모르는 화면들이 주고받는 값이다."""

from __future__ import annotations

from dataclasses import dataclass

from tui.text import common as ko


@dataclass(frozen=True, slots=True)
class Problem:
    """title: 한 줄. cause·fix: 여러 줄일 수 있고 빈 글일 수 있다. 비밀번호는 이미 가려져 있다."""

    title: str
    cause: str = ""
    fix: str = ""

    def as_text(self) -> str:
        """복사할 글."""
        parts = [self.title]
        parts += [f"{ko.ERROR_CAUSE}: {self.cause}"] if self.cause else []
        parts += [f"{ko.ERROR_FIX}: {self.fix}"] if self.fix else []
        return "\n".join(parts)


class ProblemError(Exception):
    """문제를 나르는 예외. `bridge`가 `optimize`의 오류를 이것으로 바꾼다."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem
