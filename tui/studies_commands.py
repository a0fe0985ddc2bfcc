"""스터디의 일을 자식 프로세스로 한다: 목록, 이름 바꾸기, 지우기, 정리, 내보내기, 복사.

저장소의 URL은 자식의 환경으로만 건넨다. 실패는 자식이 말한 제목·원인·해결의 `ProblemError`다.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui import bridge, bridge_studies
from tui.environment import child_environment
from tui.problem import Problem, ProblemError
from tui.processes import Finished, WaitingChild, json_lines, run_to_file
from tui.studies_model import StorageFailure, StudyItem, failure, study_item
from tui.text import insight
from tui.text import studies as ko
from tui.verdicts import Verdict, parse_verdict

_SOURCE_ENV, _TARGET_ENV = "BACKTEST_WIZARD_STUDY_URL", "BACKTEST_WIZARD_COPY_URL"
PLAN_FILE = "plan.json"
_ERROR_LINE = re.compile(r"^오류: (.*)$", re.MULTILINE)
_LABELS = {"원인": "cause", "해결": "fix"}

OnLine = Callable[[Mapping[str, Any]], None]


def study_lister() -> WaitingChild:
    """스터디 목록을 읽을 자식: import에 드는 때를 화면을 여는 길에서 뺀다."""
    return WaitingChild([sys.executable, "-m", "optimize.studies", "list", "--lines", "--wait"])


async def prepare(child: WaitingChild) -> None:
    """다음에 부를 때를 위해 자식을 띄워 둔다."""
    await child.prepare(child_environment(), bridge.home())


async def list_studies(
    lister: WaitingChild,
) -> AsyncGenerator[StudyItem | StorageFailure, None]:
    """아는 모든 저장소의 스터디와 읽지 못한 저장소들. 그만 읽으면 자식을 끝낸다."""
    found = lister.lines(child_environment(), bridge.home())
    async with aclosing(_checked(found, ko.LIST_FAILED)) as lines:
        async for body in lines:
            if body.get("type") == "study":
                yield study_item(body)
            elif body.get("type") in ("failure", "note"):
                yield failure(body)


def _studies_argv(
    item: StudyItem, verb: str, *options: str, after: Sequence[str] = ()
) -> list[str]:
    """`optimize.studies <명령>`의 인자. 이름은 `-`로 시작할 수 있어 `--` 뒤에 둔다. after: 이름 뒤의 것."""
    argv = [sys.executable, "-m", "optimize.studies", verb, *options]
    return [*argv, "--storage-url-env", _SOURCE_ENV, "--", item.name, *after]


async def manage(
    item: StudyItem, what: str, arguments: Sequence[str], after: Sequence[str] = ()
) -> None:
    """`optimize.studies`의 명령 하나를 그 스터디에. arguments: 명령과 옵션. after: 이름 뒤의 것.

    what: 실패했을 때 제목에 쓸 말. ProblemError: 하지 못했다.
    """
    argv = _studies_argv(item, *arguments, after=after)
    environ = {_SOURCE_ENV: await asyncio.to_thread(bridge_studies.stored_url, item.storage)}
    async with aclosing(_lines(argv, environ, ko.COMMAND_FAILED.format(what=what))) as lines:
        async for _ in lines:
            pass


@dataclass(frozen=True, slots=True)
class Importance:
    """파라미터 하나의 중요도. share: 모두 더하면 1인 몫. trials: 쓰인 시행 수."""

    name: str
    share: float
    trials: int


async def importances(item: StudyItem) -> list[Importance]:
    """파라미터의 중요도, 큰 것부터. 시행이 모자라면 빈 목록. ProblemError: 재지 못했다."""
    argv = _studies_argv(item, "importance", "--json")
    environ = {_SOURCE_ENV: await asyncio.to_thread(bridge_studies.stored_url, item.storage)}
    title = ko.COMMAND_FAILED.format(what=ko.ANALYSIS[0])
    found: list[Importance] = []
    async with aclosing(_lines(argv, environ, title)) as lines:
        async for body in lines:
            found = [
                Importance(str(i["name"]), float(i["share"]), int(i["trials"]))
                for i in body.get("items", ())
            ]
    return found


async def best_trial(item: StudyItem) -> dict[str, Any] | None:
    """그 스터디의 최고 시행(`show --json`의 top 하나). 끝난 시행이 없으면 None."""
    top = (await _document(item, ["show", "--top", "1"], ko.READ_FAILED))["top"]
    return dict(top[0]) if top else None


@dataclass(frozen=True, slots=True)
class Front:
    """파레토 최적. goals: 목표마다의 (이름, 작을수록 좋은가). trials: (번호, 값들)."""

    goals: tuple[tuple[str, bool], ...]
    trials: tuple[tuple[int, tuple[float, ...]], ...]


async def pareto_front(item: StudyItem) -> Front:
    """목표들과 파레토 최적 시행들. 목표가 하나면 trials가 비었다. ProblemError: 읽지 못했다."""
    body = await _document(item, ["show", "--top", "1"], ko.READ_FAILED)
    goals = tuple(
        (str(goal["label"]), goal["direction"] == "minimize") for goal in body.get("goals", ())
    )
    trials = tuple(
        (int(trial["number"]), tuple(float(value) for value in trial["values"]))
        for trial in body.get("front", ())
    )
    return Front(goals, trials)


async def verdict(item: StudyItem) -> Verdict:
    """과최적화의 판정. 최고 시행과 그 둘레를 다시 셈하므로 몇 초 걸린다. ProblemError: 하지 못했다."""
    title = ko.COMMAND_FAILED.format(what=insight.VERDICT[0])
    return parse_verdict(await _document(item, ["verdict"], title))


async def _document(item: StudyItem, arguments: Sequence[str], title: str) -> dict[str, Any]:
    """`optimize.studies <명령> 이름 … --json`이 쓴 JSON 하나. 그만두면 자식을 끝낸다."""
    argv = _studies_argv(item, *arguments, "--json")
    url = await asyncio.to_thread(bridge_studies.stored_url, item.storage)
    with tempfile.TemporaryDirectory(prefix="backtest-wizard-") as folder:
        output = Path(folder) / "answer.json"
        env = child_environment({_SOURCE_ENV: url})
        finished = await run_to_file(argv, env, bridge.home(), output)
        if finished.exit_code:
            raise ProblemError(parse_problem(finished.stderr, title))
        return dict(json.loads(output.read_text(encoding="utf-8")))


async def events_command(item: StudyItem) -> tuple[list[str], dict[str, str]]:
    """시행을 사건으로 쓰는 자식의 (인자, 환경)."""
    url = await asyncio.to_thread(bridge_studies.stored_url, item.storage)
    return _studies_argv(item, "events"), child_environment({_SOURCE_ENV: url})


async def copy(item: StudyItem, target: str, on_line: OnLine) -> None:
    """다른 저장소에 복사한다. target: 비밀번호가 든 URL이나 SQLite 파일. on_line: 진행과 결과."""
    argv = [sys.executable, "-m", "optimize.storage", "copy", "--json", f"--study={item.name}"]
    argv += ["--from-env", _SOURCE_ENV, "--to-env", _TARGET_ENV]
    source = await asyncio.to_thread(bridge_studies.stored_url, item.storage)
    environ = {_SOURCE_ENV: source, _TARGET_ENV: target}
    title = ko.COMMAND_FAILED.format(what=ko.COPY[0])
    async with aclosing(_lines(argv, environ, title)) as lines:
        async for body in lines:
            on_line(body)


async def _lines(
    argv: Sequence[str], environ: Mapping[str, str], title: str
) -> AsyncGenerator[dict[str, Any], None]:
    found = json_lines(argv, child_environment(environ), bridge.home())
    async with aclosing(_checked(found, title)) as lines:
        async for body in lines:
            yield body


async def _checked(
    found: AsyncGenerator[dict[str, Any] | Finished, None], title: str
) -> AsyncGenerator[dict[str, Any], None]:
    """자식이 쓴 것들. 실패하고 끝났으면 그 까닭의 ProblemError."""
    async with aclosing(found) as lines:
        async for item in lines:
            if not isinstance(item, Finished):
                yield item
            elif item.exit_code:
                raise ProblemError(parse_problem(item.stderr, title))


def parse_problem(stderr: str, title: str) -> Problem:
    """명령이 stderr에 쓴 `오류: …`·`원인`·`해결`을 문제로. 그런 꼴이 아니면 title과 그 글."""
    text = bridge.mask_secrets(stderr)
    found = _ERROR_LINE.search(text)
    if found is None:
        return Problem(title, text.strip())
    parts: dict[str, list[str]] = {"cause": [], "fix": []}
    current = ""
    for line in text[found.end() :].splitlines():
        label, _, rest = line.strip().partition(": ")
        if label in _LABELS and line.startswith("  ") and not line.startswith("   "):
            current = _LABELS[label]
            parts[current].append(rest)
        elif current and line.strip():
            parts[current].append(line.strip())
    return Problem(found[1], "\n".join(parts["cause"]), "\n".join(parts["fix"]))


def logged_problem(log: Path) -> Problem | None:
    """실행이 사건을 적지 못하고 끝났을 때 기록(`run.log`)에 남긴 오류. 없으면 None."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return parse_problem(text, "") if _ERROR_LINE.search(text) else None


# ── 더 실행


def extend(item: StudyItem, n_trials: int) -> Path:
    """스터디를 목표 n_trials까지 잇는 실행을 띄우고 그 폴더를 준다.

    설정은 그 스터디를 만든 실행의 `plan.json`에서, 없으면 스터디에 적힌 것에서 얻는다.
    """
    params = _recorded_params(item)
    if params is None:
        fix = ko.EXTEND_OLD_FIX.format(name=item.name)
        raise ProblemError(Problem(ko.EXTEND_OLD, ko.EXTEND_OLD_CAUSE, fix))
    return bridge_studies.extend_run(params, [item.storage], n_trials, item.name).run_dir


def write_plan(item: StudyItem, folder: Path) -> Path | None:
    """그 스터디의 설정을 folder의 plan.json(0600)으로. 찾지 못하면 None."""
    params = _recorded_params(item)
    if params is None:
        return None
    path = folder / PLAN_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"params": params}, file, ensure_ascii=False)
    return path


def extend_run(run_dir: Path, n_trials: int) -> Path:
    """같은 설정으로 목표를 n_trials로 늘린 실행을 띄우고 그 폴더를 준다."""
    plan = _read_plan(run_dir / PLAN_FILE)
    if plan is None:
        raise ProblemError(Problem(ko.EXTEND_OLD, str(run_dir / PLAN_FILE)))
    storage = [str(cell.get("storage", "")) for cell in plan["cells"]]
    name = plan["params"].get("search", {}).get("study_name")
    return bridge_studies.extend_run(plan["params"], storage, n_trials, name).run_dir


def _recorded_params(item: StudyItem) -> dict[str, Any] | None:
    plans = sorted(
        bridge.studies_dir().glob(f"*/runs/*/{PLAN_FILE}"),
        key=lambda path: path.parent.name,
        reverse=True,
    )
    for path in plans:
        plan = _read_plan(path)
        for cell in plan["cells"] if plan else ():
            if plan and (cell.get("study"), cell.get("storage")) == (item.name, item.storage):
                return {**plan["params"], "timeframe_grid": cell.get("cell")}
    return _described_params(item)


def _described_params(item: StudyItem) -> dict[str, Any] | None:
    described = item.described
    if not described.get("symbol") or not item.cell:
        return None
    params = bridge_studies.default_params()
    data = described.get("data")
    period = str(data.get("period", "")) if isinstance(data, Mapping) else ""
    days = re.findall(r"\d{4}-\d{2}-\d{2}", period)
    if len(days) == 2 and not item.is_demo:
        params["data"] = {**params["data"], "start": days[0], "end": days[1]}
    strategy = {**params["strategy"], "name": described.get("strategy")}
    names = str(described["symbol"]).split(", ")
    costs: Mapping[str, Any] = described.get("costs", params["backtest"])
    several = [{"symbol": name, **_own_costs(costs, name)} for name in names]
    return {
        **params,
        "symbol": names[0],
        "symbols": several if len(names) > 1 else [],
        "timeframe_grid": item.cell,
        "strategy": strategy,
        "backtest": {key: value for key, value in costs.items() if " " not in key},
        "objective": described.get("objective", params["objective"]),
        # 검증이 생기기 전의 스터디에는 칸이 없다.
        "validation": {**params["validation"], **described.get("validation", {"method": "none"})},
    }


def _own_costs(costs: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """그 심볼만의 비용: `심볼 키`로 적힌 것."""
    head = f"{symbol} "
    return {key.removeprefix(head): value for key, value in costs.items() if key.startswith(head)}


def _read_plan(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        plan = json.loads(path.read_text(encoding="utf-8"))
        if (
            isinstance(plan, dict)
            and isinstance(plan.get("params"), dict)
            and isinstance(plan.get("cells"), list)
        ):
            return plan
    return None
