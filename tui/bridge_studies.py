"""`bridge`의 스터디 몫: 저장된 스터디의 저장소를 찾고, 그 설정으로 실행을 잇는다.

`bridge`와 함께 `optimize`를 아는 자리이며 같은 규칙을 따른다.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from optimize import paths
from optimize.data.symbols import parse_symbol
from optimize.data.timeframes import parse_grid
from optimize.protocol import new_run_id
from tui import bridge
from tui.draft import DEFAULT_ENV
from tui.problem import Problem, ProblemError


def extend_run(
    params: Mapping[str, Any], storage: Sequence[str], n_trials: int, study_name: str | None
) -> bridge.StartedRun:
    """params(`plan.json`의 것과 같은 꼴)의 실행을 목표 n_trials까지 잇는다.

    storage: 칸마다의 가린 저장소 URL. study_name: 스터디의 이름, 여러 칸이면 원래의 것(없으면 None).
    ProblemError: 설정이 틀렸거나 저장소의 비밀번호를 모른다.
    """
    from optimize.settings.arguments import parse_run_arguments
    from optimize.settings.plan import make_plan as plan_of
    from optimize.settings.symbols import symbols_slug

    search = {**params.get("search", {}), "n_trials": n_trials, "study_name": study_name}
    body = {**params, "search": {**search, "storage_url": None}}
    cells = bridge.translated(lambda: parse_grid(str(params["timeframe_grid"])))
    names = [item["symbol"] for item in params.get("symbols") or ()] or [params["symbol"]]
    symbols = bridge.translated(lambda: [parse_symbol(str(name)) for name in names])
    run_id = new_run_id()
    run_dir = paths.run_dir(f"{symbols_slug(symbols)}_{cells[0].slug}", run_id)
    same = len(set(storage)) == 1
    # 칸마다 다른 파일이면 칸마다의 SQLite 기본 자리다(빈 변수의 규칙).
    environ = {DEFAULT_ENV: stored_url(storage[0]) if same else ""}
    config = run_dir / "config.yaml"
    arguments = ["--config", str(config), "--storage-url-env", DEFAULT_ENV, "--run-id", run_id]
    try:
        bridge.make_run_dir(run_dir)
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False, indent=2)
    except OSError as error:
        raise bridge.start_problem(run_dir, error) from error
    bridge.translated(lambda: plan_of(parse_run_arguments(arguments), {**os.environ, **environ}))
    return bridge.launch_run(run_dir, run_id, arguments, environ)


def default_params() -> dict[str, Any]:
    """설정 파일의 값을 `plan.json`의 params와 같은 꼴로. 설정이 틀렸으면 ProblemError."""
    from optimize.settings.load import load_params

    return bridge.translated(lambda: load_params(None)).model_dump(mode="json")


def name_problem(name: str) -> str:
    """스터디의 이름으로 쓸 수 없는 까닭. 쓸 수 있으면 빈 글."""
    from optimize.settings.model import study_name_problem

    return study_name_problem(name)


def known_storages() -> list[str]:
    """아는 저장소들(스터디가 없는 것도)의 가린 URL. 다른 thread에서 부른다. 설정이 틀렸으면 ProblemError."""
    from optimize.studies.sources import Sources

    return [url.masked for url in bridge.translated(lambda: Sources.collect(None, None, None)).urls]


def stored_url(masked: str) -> str:
    """가린 URL이 가리키는, 아는 저장소의 URL(비밀번호 포함). 모르면 ProblemError.

    SQLAlchemy를 import하므로 다른 thread에서 부른다.
    """
    if masked in bridge.known_urls:
        return bridge.known_urls[masked]
    if "***" not in masked:
        from optimize.storage.url import parse_storage_url

        return bridge.translated(lambda: parse_storage_url(masked)).secret
    from optimize.studies.sources import Sources

    for url in bridge.translated(lambda: Sources.collect(None, None, None)).urls:
        if url.masked == masked:
            return url.secret
    from tui.text.studies import UNKNOWN_STORAGE, UNKNOWN_STORAGE_FIX

    raise ProblemError(Problem(UNKNOWN_STORAGE, masked, UNKNOWN_STORAGE_FIX))
