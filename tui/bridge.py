"""`tui`에서 `optimize`를 아는 문. 저장소, 스터디, 탐색 공간의 몫은 `bridge_*`에 있다.

무거운 것은 함수 안에서 import한다.

`optimize`의 오류는 `ProblemError`로 바꾸어 낸다. 비밀번호는 자식의 환경으로만 건넨다.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from optimize import paths
from optimize.data.symbols import Symbol, SymbolError, parse_symbol
from optimize.data.timeframes import Cell, Timeframe, TimeframeError, format_grid, parse_grid
from optimize.masking import mask_secrets
from optimize.protocol import (
    DataProgressEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    Hello,
    PlanEvent,
    ProgressEvent,
    StoredEvent,
    StudyEvent,
    StudyResult,
    TrialEvent,
    WarningEvent,
    decode,
    new_run_id,
)
from tui.bridge_space import space_pairs
from tui.bridge_storage import (
    embedded_state,
    is_port,
    pointer_is_embedded,
    require_variable,
    split_url,
    start_embedded,
    storage_url,
    translated,
)
from tui.bridge_validation import validation_pairs
from tui.draft import DEFAULT_ENV, Draft, StorageChoice
from tui.environment import child_environment
from tui.machine import cores, host_name, memory_bytes
from tui.problem import Problem, ProblemError
from tui.processes import Finished, json_lines, spawn_detached

if TYPE_CHECKING:
    from optimize.data.manifest import CachedSymbol
    from optimize.settings.plan import Plan

__all__ = [
    "Cell",
    "DataProgressEvent",
    "DoneEvent",
    "ErrorEvent",
    "Event",
    "Hello",
    "PlanEvent",
    "ProgressEvent",
    "StoredEvent",
    "StudyEvent",
    "StudyResult",
    "Symbol",
    "SymbolError",
    "Timeframe",
    "TimeframeError",
    "TrialEvent",
    "WarningEvent",
    "cores",
    "embedded_state",
    "format_grid",
    "host_name",
    "is_port",
    "mask_secrets",
    "memory_bytes",
    "parse_grid",
    "parse_symbol",
    "pointer_is_embedded",
    "space_pairs",
    "split_url",
    "start_embedded",
    "storage_url",
    "translated",
]

CHECK_ENV = "BACKTEST_WIZARD_CHECK_URL"
ResultT = TypeVar("ResultT")
# 이번에 화면에서 고른 저장소: 가린 URL → 비밀번호가 든 URL. 메모리에만 있다.
known_urls: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class StorageTarget:
    """정해진 저장소. url: 비밀번호까지 든 URL(점검하는 자식의 환경으로만 간다)."""

    backend: str
    rule: str
    rule_ko: str
    masked: str
    url: str
    env_name: str | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """띄운 실행."""

    run_dir: Path
    run_id: str
    pid: int


# ── 자리와 사건


def decode_event(line: str) -> Event | None:
    """사건 파일의 한 줄. 모르거나 깨진 줄은 None."""
    return decode(line)


def home() -> Path:
    """프로젝트의 뿌리."""
    return paths.home()


def expanded(text: str) -> Path:
    """적은 경로의 `~`를 푼 것."""
    return paths.expanded(text)


def studies_dir() -> Path:
    """`studies/`."""
    return paths.studies_dir()


def results_folder(slug: str, study: str) -> str:
    """그 스터디의 결과(`best.yaml` 따위)를 둔 폴더, 뿌리에서 본 경로."""
    return paths.results_dir(slug, study).relative_to(paths.home()).as_posix()


def record_crash(error: Exception) -> str:
    """예상 밖의 예외를 비밀번호를 가려 `studies/.logs/`에 남기고, 보일 글을 준다."""
    from optimize.cli import internal_error

    return str(internal_error(error))


# ── 설정


def new_draft() -> Draft:
    """`config/params.yaml`의 값으로 채운 초안. 설정이 틀렸으면 ProblemError."""
    from optimize.settings.load import load_params

    params = translated(lambda: load_params(None))
    return Draft(
        symbol=params.symbol,
        grid=params.timeframe_grid,
        start=params.data.start or "",
        end=params.data.end or "",
        data_file=params.data.file or "",
        offline=params.data.offline,
        strategy=params.strategy.name,
        n_trials=params.search.n_trials,
        n_jobs=params.search.n_jobs,
        dataset_jobs=params.search.dataset_jobs,
        sampler=params.search.sampler,
        seed=params.search.seed,
        study_name=params.search.study_name or "",
        executor=params.search.executor,
        scheduler=params.search.dask_scheduler or "",
        configured_executor=params.search.executor,
        validation=params.validation.model_dump(),
        configured_validation=params.validation.model_dump(),
        storage=StorageChoice(env_name=params.search.storage_url_env or DEFAULT_ENV),
    )


def strategies() -> tuple[str, ...]:
    """함께 오는 전략의 이름."""
    from optimize.strategy.registry import BUILTIN_STRATEGIES

    return BUILTIN_STRATEGIES


def metric_labels() -> dict[str, tuple[str, str]]:
    """지표의 이름 → (한국어 이름표, 단위)."""
    from optimize.backtest.metrics import METRICS

    return {name: (info.label_ko, info.unit) for name, info in METRICS.items()}


def samplers() -> tuple[str, ...]:
    """고를 수 있는 탐색 방법."""
    from optimize.settings.model import SAMPLERS

    return SAMPLERS


def make_plan(draft: Draft) -> Plan:
    """초안이 세우는 계획(검증까지). 틀렸으면 ProblemError."""
    from optimize.settings.arguments import parse_run_arguments
    from optimize.settings.plan import make_plan as plan_of

    environ = {**os.environ, **storage_environment(draft.storage)}
    return translated(lambda: plan_of(parse_run_arguments(run_arguments(draft)), environ))


# ── 캔들


def cached_symbols() -> list[CachedSymbol]:
    """캔들 캐시에 든 심볼들."""
    from optimize.data.manifest import list_cached

    return list_cached(paths.cache_dir())


async def probe_exchange(symbol: str) -> tuple[bool, str]:
    """거래소에 닿는가: (닿음, 까닭 한 줄). 취소할 수 있다."""
    argv = [sys.executable, "-m", "optimize.data", "probe", "--symbol", symbol, "--json"]
    reachable, reason = False, ""
    async with aclosing(json_lines(argv, child_environment(), paths.home())) as lines:
        async for item in lines:
            if isinstance(item, Finished):
                reason = reason or mask_secrets(item.stderr.strip())
            else:
                reachable, reason = item.get("reachable") is True, str(item.get("detail", ""))
    return reachable, reason


# ── 저장소


def resolve_storage(choice: StorageChoice | None, draft: Draft | None = None) -> StorageTarget:
    """고른 저장소가 가리키는 곳. None이면 설정이 정하는 것.

    ProblemError: 틀린 URL, 빠진 환경 변수나 비밀번호, 꺼진 내장 서버.
    """
    choice = choice or StorageChoice()
    if choice.kind == "embedded":
        from optimize.storage.embedded import default_server

        url = translated(lambda: default_server().url())
        return StorageTarget("postgresql", "embedded", "", url.masked, url.secret)
    if choice.kind == "env":
        require_variable(choice.env_name)
    plan = make_plan(replace(draft or new_draft(), storage=choice))
    first = plan.cells[0]
    return StorageTarget(
        first.storage_url.backend,
        first.resolved.rule,
        first.resolved.rule_ko,
        first.storage_url.masked,
        first.storage_url.secret,
        first.resolved.env_name,
    )


async def check_storage(
    target: StorageTarget, *, quick: bool = True, connections: int = 0, remedy: str = ""
) -> AsyncGenerator[dict[str, Any], None]:
    """`optimize.storage check`의 단계들을 나오는 대로. 마지막은 `{"type": "result", …}`.

    connections: 실행에 필요한 연결 수(0이면 설정의 값). remedy: 먼저 할 한 걸음 해결의 이름. 도중에 그만두면 자식을 끝낸다.
    """
    argv = [sys.executable, "-m", "optimize.storage", "check", "--json"]
    argv += ["--quick"] if quick else []
    argv += ["--needed", str(connections)] if connections else []
    argv += ["--fix", remedy] if remedy else []
    argv += ["--storage-url-env", CHECK_ENV]
    env = child_environment({CHECK_ENV: target.url})
    finished = False
    async with aclosing(json_lines(argv, env, paths.home())) as lines:
        async for item in lines:
            if isinstance(item, Finished):
                if not finished:
                    yield {"type": "result", "ok": False, "cause_ko": mask_secrets(item.stderr)}
                return
            finished = finished or item.get("type") == "result"
            yield item


# ── 실행


def warm_kernels() -> None:
    """처음 한 번의 컴파일을 뒤에서 시작한다. 이미 했으면 그만두고, 띄우지 못하면 실행이 스스로 한다."""
    from optimize.strategy.kernel_cache import rehearsed_marker

    if not rehearsed_marker("squeeze_momentum", "1m@15m").exists():
        argv = [sys.executable, "-m", "optimize.runner.rehearsal"]
        with suppress(OSError):
            spawn_detached(argv, child_environment(), paths.home(), Path(os.devnull))


def run_arguments(draft: Draft, run_id: str | None = None) -> list[str]:
    """`python -m optimize.run` 뒤의 인자. 비밀번호는 들지 않는다."""
    pairs: list[tuple[str, str]] = [
        ("--symbol", draft.symbol),
        ("--timeframe-grid", draft.grid),
        ("--strategy", draft.strategy),
        ("--n-trials", str(draft.n_trials)),
        ("--n-jobs", str(draft.n_jobs)),
        ("--dataset-jobs", str(draft.dataset_jobs)),
        ("--sampler", draft.sampler),
    ]
    pairs += [("--seed", str(draft.seed))] if draft.seed is not None else []
    pairs += [("--data", draft.data_file)] if draft.data_file else []
    pairs += [("--start", draft.start)] if draft.start else []
    pairs += [("--end", draft.end)] if draft.end else []
    if draft.storage.kind != "auto":
        pairs.append(("--storage-url-env", draft.storage.env_name))
    if "dask" in (draft.executor, draft.configured_executor):
        pairs.append(("--executor", draft.executor))
    pairs += [("--dask-scheduler", draft.scheduler)] if draft.executor == "dask" else []
    pairs += validation_pairs(draft.validation, draft.configured_validation)
    pairs += space_pairs(draft.space)
    pairs += [("--run-id", run_id)] if run_id else []
    # 이름은 `-`로 시작할 수 있다.
    name = [f"--study-name={draft.study_name}"] if draft.study_name else []
    return [*(part for pair in pairs for part in pair), *name]


def shown_command(draft: Draft) -> str:
    """프로젝트의 폴더에서 그대로 돌리면 같은 일을 하는 명령 한 줄, 비밀번호는 `***`."""
    command = f"./시작 실행 {shlex.join(run_arguments(draft))}"
    name = draft.storage.env_name
    match draft.storage.kind:
        case "url":
            return f"{name}={shlex.quote(mask_secrets(draft.storage.url))} {command}"
        case "embedded":
            return f'{name}="$(./시작 저장소 embedded url)" {command}'
        case "sqlite":
            return f"{name}= {command}"
        case _:
            return command


def storage_environment(choice: StorageChoice) -> dict[str, str]:
    """고른 저장소를 자식에게 알리는 환경 변수."""
    match choice.kind:
        case "url":
            return {choice.env_name: choice.url}
        case "embedded":
            from optimize.storage.embedded import default_server

            return {choice.env_name: translated(lambda: default_server().url().secret)}
        case "sqlite":
            return {choice.env_name: ""}
        case _:
            return {}


def start_run(draft: Draft) -> StartedRun:
    """실행을 새 session에서 띄운다. 설정이 틀렸거나 폴더에 쓸 수 없으면 ProblemError."""
    plan = make_plan(draft)
    for cell in plan.cells:
        known_urls[cell.storage_url.masked] = cell.storage_url.secret
    run_id = new_run_id()
    run_dir = paths.run_dir(plan.cells[0].slug, run_id)
    arguments = run_arguments(draft, run_id)
    return launch_run(run_dir, run_id, arguments, storage_environment(draft.storage))


def launch_run(
    run_dir: Path, run_id: str, arguments: Sequence[str], environ: Mapping[str, str]
) -> StartedRun:
    """실행을 새 session에서 띄운다. 비밀번호는 environ으로만 간다. 쓸 수 없으면 ProblemError."""
    argv = [sys.executable, "-m", "optimize.run", *arguments]
    try:
        make_run_dir(run_dir)
        pid = spawn_detached(argv, child_environment(environ), paths.home(), run_dir / "run.log")
    except OSError as error:
        raise start_problem(run_dir, error) from error
    return StartedRun(run_dir, run_id, pid)


def start_problem(run_dir: Path, error: OSError) -> ProblemError:
    """실행의 폴더에 쓰지 못했다는 문제."""
    from tui.text.wizard import START_FAILED, START_FAILED_FIX

    return ProblemError(Problem(START_FAILED, f"{run_dir}: {error.strerror}", START_FAILED_FIX))


def make_run_dir(run_dir: Path) -> None:
    """`studies/`부터 실행의 폴더까지 0700으로 만든다. 만들지 못하면 OSError."""
    between = run_dir.relative_to(paths.studies_dir()).parts
    for depth in range(len(between) + 1):
        paths.private_dir(paths.studies_dir().joinpath(*between[:depth]))
