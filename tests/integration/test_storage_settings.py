"""`config/params.yaml`의 `search.storage_*` 하나하나가 설정 파일에서 서버까지 간다."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres import PostgresServer
from run_cases import RunCase, wait_until
from sqlalchemy.pool import QueuePool

from optimize.settings.arguments import RunArguments
from optimize.settings.plan import make_plan
from optimize.storage.engine import make_engine
from optimize.storage.url import StorageUrl

YAML = """
search:
  storage_url_env: MY_STORAGE
  storage_pool_size: 3
  storage_max_overflow: 2
  storage_pool_timeout: 7.5
  storage_pool_recycle: 99
  storage_connect_timeout: 4
  storage_statement_timeout_ms: {statement}
  storage_lock_timeout_ms: 4321
  storage_isolation_level: REPEATABLE READ
"""


@pytest.mark.parametrize(
    ("written", "shown"), [("123456", "123456ms"), ("", "0"), ("0", "0"), (None, "5min")]
)
def test_every_key_of_the_file_is_read_back_from_the_server(
    wizard_home: Path,
    any_postgres_url: StorageUrl,
    monkeypatch: pytest.MonkeyPatch,
    written: str | None,
    shown: str,
) -> None:
    """written이 None이면 파일이 없는 것이다: 기본값이 서버에 보인다."""
    name = "MY_STORAGE" if written is not None else "OPTUNA_STORAGE"
    monkeypatch.setenv(name, any_postgres_url.secret)
    if written is not None:
        (wizard_home / "config").mkdir()
        (wizard_home / "config" / "params.yaml").write_text(YAML.format(statement=written))
    plan = make_plan(RunArguments(None, (), None, None, None, None, plan_only=True))
    assert plan.cells[0].storage_url.secret == any_postgres_url.secret
    engine = make_engine(plan.cells[0].storage_url, plan.storage_options)
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    custom = written is not None
    assert (pool.size(), pool._max_overflow) == ((3, 2) if custom else (8, 16))
    assert (pool._timeout, pool._recycle) == ((7.5, 99) if custom else (30, 1800))
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        dsn = driver.get_dsn_parameters()  # type: ignore[union-attr]
        assert dsn["connect_timeout"] == ("4" if custom else "10")
        for setting, value in {
            "statement_timeout": shown,
            "lock_timeout": "4321ms" if custom else "10s",
            "transaction_isolation": "repeatable read" if custom else "read committed",
            "TimeZone": "UTC",
        }.items():
            assert connection.exec_driver_sql(f"SHOW {setting}").scalar_one() == value, setting
    engine.dispose()


def test_a_running_coordinator_is_named_and_stays_within_its_pool(
    tmp_path: Path,
    wizard_home: Path,
    postgres_embedded: PostgresServer,
    postgres_url: StorageUrl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """도는 실행을 서버에서 본다: application_name으로 보이고, 연결은 풀의 한도 안이며, 작업자의 것은 없다."""
    monkeypatch.setenv("OPTUNA_STORAGE", postgres_url.secret)
    case = RunCase(tmp_path, wizard_home)
    case.strategy(seconds=0.02)
    process = case.start(
        "--set",
        "search.storage_pool_size=1",
        "--set",
        "search.storage_max_overflow=1",
        n=80,
        jobs=2,
    )
    try:
        case.wait_for_trials(5)
        seen: list[tuple[str, int]] = []

        def look() -> bool:
            seen.extend(
                (str(name), int(count))
                for name, count in postgres_embedded.execute(
                    "SELECT application_name, count(*) FROM pg_stat_activity "
                    f"WHERE datname = '{postgres_url.database}' GROUP BY 1"
                )
            )
            return process.poll() is not None

        wait_until(look, 60, "실행이 끝나지 않는다")
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    finally:
        case.close()
    assert seen
    assert all(name.startswith("backtest-wizard") for name, _ in seen), set(seen)
    assert max(count for _, count in seen) <= 2
