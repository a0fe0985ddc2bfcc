"""PostgreSQL의 점검: 단계를 차례로 돌리고, 막히면 뒤의 단계를 건너뛴다."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from optimize.storage.cancellable import cancellable
from optimize.storage.check_server import LATENCY_ROUNDS, QUICK_LATENCY_ROUNDS, ServerChecks
from optimize.storage.check_step import (
    CONNECT_STEPS,
    POSTGRES_STEPS,
    QUICK_STEPS,
    CheckStep,
    Outcome,
    measured,
    skipped,
)
from optimize.storage.diagnosis import diagnose_probe
from optimize.storage.diagnosis_server import USER_CHECK
from optimize.storage.diagnosis_situation import Situation
from optimize.storage.local_server import is_embedded
from optimize.storage.options import StorageOptions
from optimize.storage.probe import Probe, ProbeError
from optimize.storage.probe_target import Target
from optimize.storage.url import StorageUrl

_LOCK_TIMEOUT_MS = 3000


def check_postgres(
    url: StorageUrl, options: StorageOptions, needed: int, rule: str, command: str, *, quick: bool
) -> Iterator[CheckStep]:
    """단계를 하나씩 끝나는 대로 낸다. 연결이 막히면 나머지는 `skip`이다."""
    check = _PostgresCheck(url, options, needed, rule, command, quick)
    names = QUICK_STEPS if quick else POSTGRES_STEPS
    try:
        blocked = ""
        for name in names:
            if blocked:
                yield skipped(name, f"'{blocked}' 단계에서 막혀 보지 않았습니다")
                continue
            step = measured(name, check.action(name), check.diagnose, check.secrets)
            if step.status == "fail" and (name in {"driver", *CONNECT_STEPS} or check.lost):
                blocked = step.title_ko
            yield step
    finally:
        check.close()


class _PostgresCheck:
    def __init__(
        self,
        url: StorageUrl,
        options: StorageOptions,
        needed: int,
        rule: str,
        command: str,
        quick: bool,
    ) -> None:
        self._url = url
        self._options = options
        self._rule = rule
        self._target = Target.from_url(url, _session_values(url, options))
        self._probe = Probe(self._target, options.connect_timeout)
        self._situation = Situation(
            self._target,
            url,
            options.connect_timeout,
            embedded=is_embedded(url),
            check=command,
        )
        self._database_error: ProbeError | None = None
        self.lost = False
        # 가이드의 비밀번호 5432처럼 포트나 이름과 같은 것은 가려도 비밀이 되지 않고 글만 망가진다.
        plain = {str(self._target.port), self._target.user, self._target.database}
        password = self._target.password or ""
        self.secrets = tuple({*url.secrets, password} - plain - {""})
        rounds = QUICK_LATENCY_ROUNDS if quick else LATENCY_ROUNDS
        self._server = ServerChecks(self._probe, self._situation, options, needed, rounds)

    def action(self, name: str) -> Callable[[], Outcome]:
        own: dict[str, Callable[[], Outcome]] = {
            "url": self._show_url,
            "driver": self._driver,
            "dns": self._dns,
            "tcp": self._tcp,
            "tls": self._tls,
            "auth": self._auth,
            "database": self._database,
            "session": self._session,
        }
        found: Callable[[], Outcome] = own[name] if name in own else getattr(self._server, name)
        return found

    def diagnose(self, error: ProbeError) -> Outcome:
        """실패를 판정한다. 연결이 끊긴 실패면 뒤의 단계도 할 수 없다."""
        self.lost = error.server is None or error.server.severity in {"FATAL", "PANIC"}
        situation = self._situation
        if error.stage != "query":
            situation = replace(
                situation,
                client=self._probe.client_address,
                encrypted=self._probe.encrypted,
                needs_ssl=error.sqlstate == "28000" and self._passes_with_ssl(),
            )
        return diagnose_probe(error, situation)

    def close(self) -> None:
        self._probe.close()

    def _show_url(self) -> Outcome:
        return Outcome("ok", self._url.masked + (f" · {self._rule}" if self._rule else ""))

    def _driver(self) -> Outcome:
        name = self._url.loadable_driver
        if importlib.util.find_spec(name) is None:
            return Outcome(
                "fail",
                "",
                f"PostgreSQL 드라이버 {name}이(가) 설치되어 있지 않습니다",
                "pip install -r requirements.txt  (또는 pip install psycopg2-binary)",
            )
        note = ""
        if self._url.driver != name:
            note = " (psycopg 3이 없어 대신 씁니다: pip install 'psycopg[binary]')"
        return Outcome("ok", name + note)

    def _dns(self) -> Outcome:
        addresses = list(dict.fromkeys(self._probe.resolve()))
        return Outcome("ok", ", ".join(addresses) or f"Unix socket {self._target.host}")

    def _tcp(self) -> Outcome:
        return Outcome("ok", f"{self._probe.connect()} 포트 {self._target.port}")

    def _tls(self) -> Outcome:
        encrypted = self._probe.encrypted = self._probe.secure()
        mode = self._target.sslmode
        return Outcome("ok", f"{'암호화됨' if encrypted else '암호화 없음'} (sslmode={mode})")

    def _auth(self) -> Outcome:
        try:
            self._probe.login_or_retry_plain()
        except ProbeError as error:
            # 사용자 자신의 제한(LOGIN, CONNECTION LIMIT)은 비밀번호를 확인한 뒤에 알려 준다.
            own_limit = error.server is not None and error.server.routine == USER_CHECK
            if error.stage != "database" or own_limit:
                raise
            # 인증은 되었고 데이터베이스를 여는 데서 막혔다: 다음 단계의 실패로 알린다.
            self._database_error = error
        return Outcome("ok", f"사용자 {self._target.user}")

    def _database(self) -> Outcome:
        if self._database_error is not None:
            raise self._database_error
        version = self._probe.parameters.get("server_version", "")
        return Outcome("ok", f"{self._target.database} · PostgreSQL {version}")

    def _session(self) -> Outcome:
        """제품이 쓰는 engine으로 이어 보고, 서버에 정해진 값을 되읽는다."""
        from sqlalchemy.exc import SQLAlchemyError

        from optimize.storage.engine import make_engine
        from optimize.storage.failures import diagnose

        def show() -> list[str]:
            engine = make_engine(self._url, self._options)
            try:
                with engine.connect() as connection:
                    return [
                        str(connection.exec_driver_sql(f"SHOW {name}").scalar())
                        for name in ("statement_timeout", "transaction_isolation", "TimeZone")
                    ]
            finally:
                engine.dispose()

        began = time.monotonic()
        try:
            shown = cancellable(show)
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            refused = self._second_failure(time.monotonic() - began)
            if refused is not None:
                return diagnose_probe(refused, self._situation)
            # 규약으로는 둘째도 이어졌으므로 드라이버(libpq)에게만 있는 것이 막았다.
            return Outcome(
                "fail",
                type(error).__name__,
                diagnose(error).cause,
                "libpq가 읽는 환경 변수와 URL의 `?` 뒤를 확인합니다: env | grep ^PG",
            )
        return Outcome(
            "ok", f"statement_timeout {shown[0]} · {shown[1].upper()} · TimeZone {shown[2]}"
        )

    def _second_failure(self, waited: float) -> ProbeError | None:
        """점검의 연결에 더해 하나를 더 열 때의 실패(연결 수의 한도 따위). 열리면 None."""
        if waited >= self._options.connect_timeout:
            return ProbeError("auth", "timeout")
        second = Probe(self._target, self._options.connect_timeout)
        try:
            second.open()
        except ProbeError as error:
            return error
        else:
            return None
        finally:
            second.close()

    def _passes_with_ssl(self) -> bool:
        """SSL 없이 거절된 접속이 SSL로는 인증까지 가는가."""
        if self._probe.encrypted or self._target.is_socket:
            return False
        retry = Probe(replace(self._target, sslmode="require"), self._options.connect_timeout)
        try:
            retry.open()
        except ProbeError as error:
            return error.sqlstate != "28000" and error.stage in {"auth", "database"}
        else:
            return True
        finally:
            retry.close()


def _session_values(url: StorageUrl, options: StorageOptions) -> dict[str, str]:
    """startup에 보낼 세션 값: engine과 같은 시간 제한. 점검이 오래 매달리지 않게 잠금만 짧게 기다린다."""
    lock = min(options.lock_timeout_ms or _LOCK_TIMEOUT_MS, _LOCK_TIMEOUT_MS)
    ours = (
        f"-c statement_timeout={options.statement_timeout_ms or 0} "
        f"-c lock_timeout={lock} -c TimeZone=UTC"
    )
    given = dict(url.query).get("options") or os.environ.get("PGOPTIONS", "")
    return {
        "application_name": f"{options.application_name} check",
        "options": f"{ours} {given}".strip(),
    }
