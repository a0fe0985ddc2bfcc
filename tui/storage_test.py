"""저장소 연결 시험 한 번의 결과를 화면의 말로 모은다."""

from __future__ import annotations

from dataclasses import dataclass

from tui import bridge
from tui.bridge import StorageTarget
from tui.draft import Draft, StorageChoice
from tui.problem import ProblemError
from tui.text import wizard as ko

_SHOWN_STEPS = ("identity", "latency", "path", "wal", "capacity")


@dataclass(frozen=True, slots=True)
class TestResult:
    """state: idle | testing | ok | failed | starting | incomplete. lines: 본 것들."""

    state: str
    target: StorageTarget | None = None
    lines: tuple[str, ...] = ()
    cause: str = ""
    fix: str = ""

    __test__ = False  # pytest가 시험으로 여기지 않게


def readable(text: str) -> str:
    """너비가 애매한 가운뎃점은 쉼표나 빗금으로, 프로젝트 안의 경로는 짧게."""
    short = text.replace("sqlite:///", "").replace(f"{bridge.home()}/", "")
    return short.replace(" · ", ", ").replace("·", "/")


async def run_test(
    choice: StorageChoice, draft: Draft, *, quick: bool = True, connections: int = 0
) -> TestResult:
    """저장소를 정하고 실제로 연결해 본다. 취소하면 자식 프로세스도 끝난다."""
    import asyncio

    try:
        target = await asyncio.to_thread(bridge.resolve_storage, choice, draft)
    except ProblemError as error:
        problem = error.problem
        cause = problem.title if not problem.cause else f"{problem.title}. {problem.cause}"
        return TestResult("failed", None, (), cause, problem.fix)
    lines: list[str] = []
    async for item in bridge.check_storage(target, quick=quick, connections=connections):
        if item.get("type") == "step":
            detail = str(item.get("detail_ko", ""))
            if item.get("name") in _SHOWN_STEPS and item.get("status") in ("ok", "warn") and detail:
                prefix = ko.TEST_LATENCY if item.get("name") == "latency" else ""
                lines.append(prefix + readable(detail))
        elif item.get("type") == "result" and item.get("ok") is True:
            return TestResult("ok", target, tuple(lines))
        elif item.get("type") == "result":
            return TestResult(
                "failed",
                target,
                tuple(lines),
                readable(str(item.get("cause_ko", ""))),
                str(item.get("fix_ko", "")),
            )
    return TestResult("failed", target, tuple(lines))
