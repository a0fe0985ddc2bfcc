"""오류 표의 모든 줄을 진짜 서버에 일으켜 `python -m optimize.storage check`의 출력을 그대로 남긴다.

    python tests/bench/check_transcript.py > transcript.txt

서버마다(영어, 한국어 UTF-8, 한국어 EUC-KR) 실패한 단계의 줄과 원인·해결, exit code를 적는다.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from postgres import PostgresServer, embedded_binaries, system_binaries
from postgres_lab import LANGUAGES, Lab, make_lab
from test_storage_check import ROWS

from optimize.storage.url import StorageUrl


def transcript(name: str, url: str, *arguments: str) -> None:
    """점검을 한 번 돌려 정상이 아닌 단계를 적는다."""
    done = subprocess.run(
        [sys.executable, "-m", "optimize.storage", "check", "--json", *arguments],
        env={**os.environ, "OPTUNA_STORAGE": url, "PGPASSFILE": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"\n### {name}   (exit code {done.returncode})")
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    for step in steps:
        if step["type"] == "step" and step["status"] in {"fail", "warn"}:
            print(f"{step['status']}  {step['title_ko']}  {step['ms']} ms  {step['detail_ko']}")
            print(f"  원인: {step['cause_ko']}")
            print("  해결: " + step["fix_ko"].replace("\n", "\n        "))
    print(done.stderr, end="")


def rows(lab: Lab) -> None:
    for row in ROWS:
        url = row.change(lab.url(row.database, row.user))
        if row.sslmode:
            url = replace(url, query=(("sslmode", row.sslmode),))
        transcript(row.id, url.secret)
    base = lab.url()
    moments: list[tuple[str, AbstractContextManager[None], StorageUrl]] = [
        ("too_many_clients", lab.filled(), base),
        ("starting_up", lab.starting_up(), base),
        ("shutting_down", lab.shutting_down(), base),
        ("lock_timeout", lab.locked("older", "alembic_version"), lab.url("older")),
        ("healthy", nullcontext(), base),
    ]
    slow = replace(lab.url("older"), query=(("options", "-c statement_timeout=200"),))
    moments.append(("statement_timeout", lab.locked("older", "alembic_version"), slow))
    for name, situation, url in moments:
        with situation:
            transcript(name, url.secret)


def sockets() -> None:
    """서버의 말이 없는 실패들."""
    transcript("port_closed", "postgresql://u:p@127.0.0.1:9/optuna")
    transcript("no_such_host", "postgresql://u:p@no-such-host.invalid/optuna")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        transcript(
            "silent_host", f"postgresql://u:p@127.0.0.1:{port}/optuna", "--connect-timeout", "2"
        )

    for name, words in (("foreign_program", b"SSH-2.0-OpenSSH_9.6\r\n"), ("hangs_up", b"")):
        with speaking(words) as port:
            transcript(name, f"postgresql://u:p@127.0.0.1:{port}/optuna")


@contextmanager
def speaking(words: bytes) -> Iterator[int]:
    """PostgreSQL이 아닌 프로그램: 접속마다 words를 말하고 끊는다."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    with peer:
                        peer.sendall(words)
                        peer.recv(64)

        Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def servers() -> None:
    """함정의 서버와 달리 SSL이 없거나 대기 중인 서버들."""
    for binaries in (embedded_binaries(), system_binaries()):
        print(f"\n## PostgreSQL {binaries.major}, SSL 없음")
        server = PostgresServer(binaries)
        try:
            url = server.create_database()
            transcript("no_ssl", replace(url, query=(("sslmode", "require"),)).secret)
            server.execute(f"ALTER DATABASE {url.database} SET default_transaction_read_only = on")
            transcript("read_only", url.secret)
            server.stop()
            (server.server.data / "standby.signal").touch()
            server.start()
            transcript("standby", url.secret)
        finally:
            server.close()


def main() -> None:
    argparse.ArgumentParser(description="연결 점검의 오류마다 출력을 남긴다").parse_args()
    print("## 소켓")
    sockets()
    servers()
    for language in LANGUAGES:
        print(f"\n## {language} 서버 (PostgreSQL 15, lc_messages {LANGUAGES[language]})")
        lab = make_lab(language)
        try:
            rows(lab)
        finally:
            lab.close()


if __name__ == "__main__":
    main()
