"""Optuna의 다른 도구도 우리 스터디를 자기 것으로 읽는다: `optuna` 명령과 optuna-dashboard."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from typing import Any

import optuna
import optuna.cli
import pytest
from store_kit import OPTIONS, OpenStore, make_trial

from optimize.storage.schema import open_rdb_storage
from optimize.storage.url import StorageUrl


def optuna_command(*arguments: str) -> Any:
    """`optuna` 명령의 입구를 이 프로세스에서 부른다(프로세스로는 docs/storage.md의 명령이 돈다)."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["optuna", *arguments, "-f", "json"])
        assert optuna.cli.main() == 0
    return json.loads(said.getvalue())


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # 명령 자신의 경고
def test_optuna_command_reads_studies_trials_and_best(
    open_store: OpenStore, storage_url: StorageUrl
) -> None:
    store = open_store("cli")
    trials = [make_trial(seed) for seed in range(12)]
    store.append(trials)
    where = ("--storage", storage_url.secret)
    (study,) = optuna_command("studies", *where)
    assert (study["name"], study["n_trials"], study["direction"]) == ("cli", 12, ["MAXIMIZE"])
    listed = optuna_command("trials", *where, "--study-name", "cli")
    assert [row["number"] for row in listed] == list(range(12))
    assert listed[3]["params"] == dict(trials[3].params)
    best = optuna_command("best-trial", *where, "--study-name", "cli")
    feasible = [trial for trial in trials if trial.feasible]
    expected = max(feasible, key=lambda trial: trial.values[0])
    assert best["number"] == trials.index(expected)


@pytest.mark.filterwarnings("ignore")  # dashboard 자신의 경고
def test_dashboard_shows_our_study(open_store: OpenStore, storage_url: StorageUrl) -> None:
    """dashboard의 WSGI 앱을 그대로 불러 시행·값·제약·파라미터를 본다."""
    dashboard = pytest.importorskip("optuna_dashboard")
    store = open_store("dash", attrs={"symbol": "DEMO:BTC"})
    trials = [
        *(make_trial(seed) for seed in range(5)),
        make_trial(7, state="PRUNED", values=(0.5,), intermediate={1: 0.25, 2: 0.5}),
        make_trial(8, state="FAIL", values=()),
    ]
    store.append(trials)
    storage = open_rdb_storage(storage_url, OPTIONS)
    app = dashboard.wsgi(storage)

    def get(path: str) -> Any:
        path, _, query = path.partition("?")
        status: list[str] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "x",
            "SERVER_PORT": "0",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        body = b"".join(app(environ, lambda code, headers, info=None: status.append(code)))
        assert status[0].startswith("200"), body
        return json.loads(body)

    (summary,) = get("/api/studies")["study_summaries"]
    assert summary["study_name"] == "dash"
    detail = get(f"/api/studies/{summary['study_id']}?after=0")
    shown = detail["trials"]
    assert [row["state"] for row in shown] == ["Complete"] * 5 + ["Pruned", "Fail"]
    assert [row["number"] for row in shown] == list(range(7))
    assert shown[2]["values"] == list(trials[2].values)
    assert shown[2]["constraints"] == list(trials[2].constraints)
    assert {p["name"] for p in shown[2]["params"]} == set(trials[2].params)
    assert [v["value"] for v in shown[5]["intermediate_values"]] == [0.25, 0.5]
    storage.remove_session()
    storage.engine.dispose()


def test_a_sampler_of_optuna_continues_our_study(
    open_store: OpenStore, storage_url: StorageUrl
) -> None:
    """Optuna의 TPE가 우리 시행을 이어 최적화하고, 우리도 그 결과를 읽는다."""
    from store_kit import SPACE

    store = open_store("이어서")
    store.append([make_trial(seed, constraints=()) for seed in range(12)])
    storage = open_rdb_storage(storage_url, OPTIONS)
    study = optuna.load_study(
        study_name="이어서", storage=storage, sampler=optuna.samplers.TPESampler(seed=1)
    )
    for _ in range(2):
        trial = study.ask(SPACE)
        study.tell(trial, trial.params["ratio"])
    assert [trial.number for trial in store.load(after=11)] == [12, 13]
    assert store.append([make_trial(99)]) == [14]
    storage.remove_session()
    storage.engine.dispose()
