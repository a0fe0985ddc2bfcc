"""점검의 결과를 사람에게는 한 줄씩의 표로, 기계에는 NDJSON으로 쓴다. 한 단계가 끝날 때마다 내보낸다."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TextIO

from optimize.storage.check_step import TITLES, CheckStep, Status

_LABELS: dict[Status, tuple[str, str]] = {
    "ok": ("✓ 정상", "green"),
    "warn": ("! 주의", "yellow"),
    "fail": ("✗ 실패", "bold red"),
    "skip": ("- 생략", "dim"),
}


def write_json(steps: Iterable[CheckStep], masked_url: str, out: TextIO) -> bool:
    """단계마다 한 줄(`type: step`), 끝에 `type: result`. 실패가 없으면 True."""
    seen: list[CheckStep] = []
    for step in steps:
        seen.append(step)
        _line(out, step.as_dict())
    failed = next((step for step in seen if step.status == "fail"), None)
    _line(
        out,
        {
            "type": "result",
            "ok": failed is None,
            "url": masked_url,
            "ms": round(sum(step.ms for step in seen), 2),
            "failed": failed.name if failed else None,
            "cause_ko": failed.cause_ko if failed else "",
            "fix_ko": failed.fix_ko if failed else "",
            "remedy": failed.remedy if failed else "",
            "warnings": sum(step.status == "warn" for step in seen),
        },
    )
    return failed is None


def write_table(steps: Iterable[CheckStep]) -> bool:
    """사람이 읽는 표. 실패와 주의 밑에는 원인과 해결을 붙인다. 실패가 없으면 True."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = max(cell_len(title) for title in TITLES.values())
    counts: dict[Status, int] = dict.fromkeys(_LABELS, 0)
    for step in steps:
        counts[step.status] += 1
        label, style = _LABELS[step.status]
        time_shown = "" if step.status == "skip" else f"{step.ms:,.1f} ms"
        padding = " " * (width - cell_len(step.title_ko))
        console.print(
            Text.assemble(
                (label, style),
                f"  {step.title_ko}{padding}  {time_shown:>11}  ",
                (step.detail_ko.replace("\n", " "), "dim"),
            )
        )
        for name, body in (("원인", step.cause_ko), ("해결", step.fix_ko)):
            for index, line in enumerate(body.splitlines()):
                console.print(Text(f"        {f'{name}: ' if index == 0 else '      '}{line}"))
    ok = counts["fail"] == 0
    verdict = "저장소를 쓸 수 있습니다" if ok else "저장소를 쓸 수 없습니다"
    numbers = " · ".join(
        f"{_LABELS[status][0].split()[1]} {count}" for status, count in counts.items() if count
    )
    console.print(Text.assemble((verdict, "bold green" if ok else "bold red"), f" ({numbers})"))
    return ok


def _line(out: TextIO, body: dict[str, object]) -> None:
    out.write(json.dumps(body, ensure_ascii=False) + "\n")
    out.flush()
