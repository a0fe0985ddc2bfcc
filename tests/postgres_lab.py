"""연결 실패를 모두 갖춘 진짜 서버: 영어, 한국어(UTF-8), 한국어(EUC-KR)로 말한다.

PostgreSQL 15(NLS와 OpenSSL이 든 시스템의 것)를 쓰며 locale은 localedef로 임시 폴더에 만든다.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from postgres import SYSTEM_BIN, PostgresServer, system_binaries

from optimize.storage.url import StorageUrl

LANGUAGES = {"english": "C", "korean": "ko_KR.utf8", "korean_euckr": "ko_KR.euckr"}
PASSWORD = "비밀 p@ss/w:%#{}"
MAX_CONNECTIONS = 20
ROLES = {
    "plain": "LOGIN",
    "expired": "LOGIN VALID UNTIL '2001-01-01'",
    "nologin": "NOLOGIN",
    "limited": "LOGIN CONNECTION LIMIT 0",
    "reader": "LOGIN",
    "nopassword": "LOGIN",
    "sslonly": "LOGIN",
    "rejected": "LOGIN",
    "md5user": "LOGIN",
    "single": "LOGIN CONNECTION LIMIT 1",
    "certonly": "LOGIN",
    "identified": "LOGIN",
}
HBA = """\
hostssl all sslonly 127.0.0.1/32 scram-sha-256
hostnossl all sslonly 127.0.0.1/32 reject
host all identified 127.0.0.1/32 ident
hostssl all certonly 127.0.0.1/32 cert
host all rejected 127.0.0.1/32 reject
host all md5user 127.0.0.1/32 md5
host all all 127.0.0.1/32 scram-sha-256
"""


class Lab:
    """서버 하나와 그 안의 함정들."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.server = PostgresServer(
            system_binaries(),
            {"max_connections": str(MAX_CONNECTIONS), "superuser_reserved_connections": "3"},
        )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "main", user: str = "plain", **changes: Any) -> StorageUrl:
        base = self.server.url(database)
        return replace(base, username=user, password=PASSWORD, **changes)

    def connect(self, url: StorageUrl) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=url.host,
            port=url.port,
            user=url.username,
            password=url.password,
            dbname=url.database,
            options="-c lc_messages=C",
        )

    @contextmanager
    def filled(self) -> Iterator[None]:
        """연결 자리를 모두 채운 동안."""
        held = []
        try:
            while len(held) < MAX_CONNECTIONS:
                try:
                    held.append(self.connect(self.server.url("main")))
                except (psycopg2.OperationalError, UnicodeDecodeError):
                    break
            yield
        finally:
            for connection in held:
                connection.close()

    @contextmanager
    def locked(self, database: str, table: str) -> Iterator[None]:
        """테이블을 통째로 잠근 동안."""
        with closing(self.connect(self.server.url(database))) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield

    def close(self) -> None:
        self.server.close()

    def _prepare(self) -> None:
        data = self.server.server.data
        for name, attributes in ROLES.items():
            self.server.execute(f"CREATE ROLE {name} {attributes} PASSWORD '{PASSWORD}'")
        self.server.execute(
            "SET password_encryption = 'md5'", f"ALTER ROLE md5user PASSWORD '{PASSWORD}'"
        )
        encoding = "ENCODING 'EUC_KR'" if self.language == "korean_euckr" else "ENCODING 'UTF8'"
        for name in (
            "main",
            "closed",
            "noconnect",
            "limited",
            "readonly",
            "foreign_one",
            "readers",
        ):
            self.server.execute(f"CREATE DATABASE {name} {encoding} TEMPLATE template0")
        for name in ("older", "newer", "serial", "sqlascii"):
            clause = "ENCODING 'SQL_ASCII'" if name == "sqlascii" else encoding
            self.server.execute(f"CREATE DATABASE {name} {clause} TEMPLATE template0")
        self.server.execute(
            "ALTER DATABASE main OWNER TO plain",
            "ALTER DATABASE older OWNER TO plain",
            "ALTER DATABASE newer OWNER TO plain",
            "ALTER DATABASE serial OWNER TO plain",
            "ALTER DATABASE sqlascii OWNER TO plain",
            "ALTER DATABASE readonly OWNER TO plain",
            "ALTER DATABASE foreign_one OWNER TO plain",
            "ALTER DATABASE closed WITH ALLOW_CONNECTIONS false",
            "REVOKE CONNECT ON DATABASE noconnect FROM PUBLIC",
            "ALTER DATABASE limited CONNECTION LIMIT 0",
            "ALTER DATABASE readonly SET default_transaction_read_only = on",
            "ALTER DATABASE serial SET default_transaction_isolation = 'repeatable read'",
        )
        for database, revision in (("older", "v3.0.0.a"), ("newer", "v9.9.9.a")):
            self.server.execute(
                "CREATE TABLE studies (study_id int, study_name text)",
                "CREATE TABLE alembic_version (version_num text)",
                f"INSERT INTO alembic_version VALUES ('{revision}')",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO plain, reader",
                database=database,
            )
        self.server.execute(
            "CREATE TABLE studies (id int)",
            "GRANT ALL ON studies TO plain",
            database="foreign_one",
        )
        self.server.execute(
            "CREATE TABLE trials (trial_id int, state text, datetime_start timestamp)",
            "GRANT SELECT ON trials TO reader",
            database="readers",
        )
        self._enable_ssl(data)
        hba = data / "pg_hba.conf"
        hba.write_text(HBA)
        self.server.stop()
        self._environment = self._speak(data)
        self.start()

    def _enable_ssl(self, data: Path) -> None:
        """자기 서명 인증서를 서버 계정의 것으로 둔다."""
        key, certificate = data / "server.key", data / "server.crt"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        for path in (key, certificate):
            path.chmod(0o600)
            shutil.chown(path, data.stat().st_uid, data.stat().st_gid)
        with (data / "postgresql.conf").open("a") as config:
            config.write("ssl = on\nssl_ca_file = 'server.crt'\n")

    def client_certificate(self, role: str, folder: Path) -> tuple[Path, Path]:
        """서버의 인증서로 서명한, role의 클라이언트 인증서와 열쇠."""
        data = self.server.server.data
        key, request, certificate = (folder / f"{role}.{kind}" for kind in ("key", "csr", "crt"))
        for command in (
            f"req -new -newkey rsa:2048 -nodes -subj /CN={role} -keyout {key} -out {request}",
            f"x509 -req -days 2 -in {request} -CA {data}/server.crt -CAkey {data}/server.key "
            f"-set_serial 1 -out {certificate}",
        ):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
        key.chmod(0o600)
        return certificate, key

    def _speak(self, data: Path) -> dict[str, str]:
        """그 언어의 환경. locale을 만들고 설정에 적는다."""
        name = LANGUAGES[self.language]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": name, "PGDATA": str(data)}
        if name != "C":
            locales = self.server.directory / "locales"
            locales.mkdir(mode=0o755)
            charmap = {"utf8": "UTF-8", "euckr": "EUC-KR"}[name.split(".")[1]]
            subprocess.run(
                ["localedef", "-i", "ko_KR", "-f", charmap, str(locales / name)], check=True
            )
            environment["LOCPATH"] = str(locales)
            with (data / "postgresql.conf").open("a") as config:
                config.write(f"lc_messages = '{name}'\n")
        return environment

    def start(self) -> None:
        """서버를 그 언어의 환경에서 켠다."""
        data = self.server.server.data
        port = (self.server.directory / "port").read_text().strip()
        lowered: dict[str, Any] = {}
        if os.geteuid() == 0:
            info = data.stat()
            lowered = {"user": info.st_uid, "group": info.st_gid, "extra_groups": []}
        with tempfile.TemporaryFile() as log:
            subprocess.run(
                [str(SYSTEM_BIN / "pg_ctl"), "-s", "-w", "-o", f"-p {port}", "start"],
                check=True,
                env=self._environment,
                cwd=data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **lowered,
            )

    @contextmanager
    def starting_up(self) -> Iterator[None]:
        """복구가 끝나지 않아 접속을 받지 않는 동안(hot_standby를 끈 대기 서버)."""
        data = self.server.server.data
        signal_file, config = data / "standby.signal", data / "postgresql.auto.conf"
        before = config.read_text()
        self.server.stop()
        signal_file.touch()
        config.write_text(f"{before}hot_standby = off\n")
        try:
            self.start()
            yield
        finally:
            self.server.stop("immediate")
            signal_file.unlink()
            config.write_text(before)
            self.start()

    @contextmanager
    def shutting_down(self) -> Iterator[None]:
        """이어진 연결이 끝나기를 기다리며 꺼지는 동안(smart shutdown)."""
        with closing(self.connect(self.server.url("main"))):
            os.kill(self.server.pid, signal.SIGTERM)
            try:
                yield
            finally:
                self.server.stop("immediate")
                self.start()


def make_lab(language: str) -> Lab:
    """그 언어의 서버. 이 컴퓨터에 필요한 것이 없으면 까닭과 함께 건너뛴다."""
    system_binaries()
    if shutil.which("openssl") is None:
        pytest.skip("openssl이 없어 인증서를 만들 수 없다")
    if language != "english":
        catalogue = Path("/usr/share/locale/ko/LC_MESSAGES/postgres-15.mo")
        if shutil.which("localedef") is None or not catalogue.exists():
            pytest.skip("한국어 locale(localedef)이나 PostgreSQL의 한국어 글이 없다")
        if not Path("/usr/share/i18n/locales/ko_KR").exists():
            pytest.skip("ko_KR locale의 원본이 없다: apt-get install locales")
    return Lab(language)
