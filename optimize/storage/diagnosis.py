"""연결 실패의 판정: 막힌 단계에서 한국어 원인과 붙여 넣을 해결로. 서버의 거절은 diagnosis_server가 맡는다."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from optimize.storage.check_step import Outcome
from optimize.storage.diagnosis_server import diagnose_server
from optimize.storage.diagnosis_situation import CONTAINER, Situation, hba_line
from optimize.storage.local_server import EMBEDDED_START
from optimize.storage.probe import ProbeError


def diagnose_probe(error: ProbeError, situation: Situation) -> Outcome:
    """연결과 질의의 실패를 판정한다. 모르는 SQLSTATE도 서버의 말과 함께 알린다."""
    if error.server is None:
        return _LOCAL[error.kind](situation, error)
    return diagnose_server(error, situation)


def _dns(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        f"서버 이름 '{s.target.host}'의 주소를 찾을 수 없습니다",
        f"이름의 오타를 보세요. 이 컴퓨터의 서버라면 127.0.0.1로 적습니다\n"
        f"확인: getent hosts {shlex.quote(s.target.host)}\n"
        "비밀번호에 @나 /가 있으면 %40, %2F로 적어야 이름이 잘리지 않습니다",
    )


def _no_dns(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        f"'{s.target.host}'을(를) 물어볼 이름 서버(DNS)에 닿지 못했습니다. 네트워크가 끊겼을 수 있습니다",
        f"네트워크를 보고 다시 점검하거나 IP 주소를 적습니다\n"
        f"확인: getent hosts {shlex.quote(s.target.host)}; cat /etc/resolv.conf",
    )


def _refused(s: Situation, error: ProbeError) -> Outcome:
    if s.embedded:
        return Outcome(
            "fail",
            error.detail,
            "내장 PostgreSQL이 꺼져 있습니다",
            EMBEDDED_START,
            "start_embedded",
        )
    cause = f"{s.address}에서 듣는 프로그램이 없습니다(Connection refused). 서버가 꺼져 있거나 포트가 다릅니다"
    if s.local:
        fix = (
            f"Docker 서버 켜기: docker start {CONTAINER}\n"
            f"포트 연결 확인: docker port {CONTAINER}  # 5432/tcp -> 0.0.0.0:{s.target.port}\n"
            f"Docker 없이: {EMBEDDED_START}\n"
            f"서버 없이: {s.sqlite_hint}"
        )
        return Outcome("fail", error.detail, cause, fix, "start_embedded")
    fix = (
        f"그 컴퓨터에서 서버가 켜져 있는지 보세요: {_is_ready(s)}\n"
        "postgresql.conf의 listen_addresses = '*' 와 방화벽을 확인합니다: "
        f"sudo ufw allow {s.target.port}/tcp"
    )
    return Outcome("fail", error.detail, cause, fix)


def _no_socket(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        "그 자리에 서버의 Unix socket이 없습니다. 서버가 꺼져 있거나 폴더가 다릅니다",
        f"서버 켜기: sudo service postgresql start\nTCP로 잇기: URL의 host를 127.0.0.1로\n"
        f"또는 {EMBEDDED_START}",
        "start_embedded",
    )


def _unreachable(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        f"{s.target.host}까지 가는 길이 없습니다(네트워크나 방화벽)",
        f"ping -c 3 {shlex.quote(s.target.host)} 로 확인하고, VPN·방화벽·IP 주소를 보세요",
    )


def _timeout(s: Situation, error: ProbeError) -> Outcome:
    if error.stage == "dns":
        return Outcome(
            "fail",
            "",
            f"{s.connect_timeout}초 안에 '{s.target.host}'의 주소를 얻지 못했습니다(DNS가 대답하지 않음)",
            "서버의 IP 주소를 적거나 DNS를 확인합니다: "
            f"getent hosts {shlex.quote(s.target.host)}\n"
            "느린 DNS라면 config/params.yaml 에 storage_connect_timeout: 20",
        )
    if error.stage == "query":
        return Outcome(
            "fail",
            "",
            "연결은 되었으나 질의의 답이 제때 오지 않았습니다(서버가 바쁘거나 길이 끊겼습니다)",
            "서버의 부하를 보고 다시 점검하세요\n"
            "잠근 세션 찾기: SELECT pid, state, query FROM pg_stat_activity WHERE state <> 'idle';",
        )
    tcp = error.stage == "tcp"
    what = "TCP 연결이" if tcp else "연결은 되었으나 서버의 답이"
    return Outcome(
        "fail",
        error.detail,
        f"{s.connect_timeout}초 안에 {what} 없습니다(timeout). "
        + (
            "방화벽이 조용히 버리고 있을 수 있습니다"
            if tcp
            else "PostgreSQL이 아니거나 멈춰 있습니다"
        ),
        "느린 길이라면 config/params.yaml 에 storage_connect_timeout: 20\n"
        f"확인: {_is_ready(s)} -t {s.connect_timeout}\n"
        f"방화벽 열기(서버에서): sudo ufw allow {s.target.port}/tcp",
    )


def _not_postgres(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        f"{s.address}에는 PostgreSQL이 아닌 다른 프로그램이 있습니다",
        f"무엇이 듣고 있는지: ss -ltnp 'sport = :{s.target.port}'\n"
        "PostgreSQL의 포트(보통 5432)를 URL에 적으세요",
    )


def _closed(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        "서버가 도중에 연결을 끊었습니다(정지·재시작했거나 비정상 종료)",
        f"서버의 기록을 보세요: {s.server_log}\n켠 뒤 다시 점검하세요: {s.server_start}",
    )


def _hung_up(s: Situation, error: ProbeError) -> Outcome:
    # Docker의 포트는 안의 서버가 켜지기 전에도 받아서 곧바로 끊는다.
    return Outcome(
        "fail",
        error.detail,
        f"{s.address}이(가) 연결을 받자마자 끊었습니다. 서버가 아직 켜지는 중이거나(Docker의 포트는 "
        "먼저 열립니다), PostgreSQL이 아닌 다른 프로그램입니다",
        f"잠시 뒤 다시 점검하고, 되풀이되면 서버의 기록을 봅니다: {s.server_log}\n"
        f"무엇이 듣고 있는지: ss -ltnp 'sport = :{s.target.port}'",
    )


def _no_ssl(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        "",
        f"서버가 SSL을 지원하지 않는데 sslmode={s.target.sslmode}로 SSL을 요구했습니다",
        f"SSL을 요구하지 않습니다: {s.with_sslmode('prefer')}\n"
        "또는 서버의 postgresql.conf에 ssl = on 과 인증서를 둡니다",
    )


def _bad_certificate(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        f"TLS를 맺지 못했습니다: 서버의 인증서를 sslmode={s.target.sslmode}로 확인할 수 없습니다",
        f"{_fetch_certificate(s)}\n확인하지 않고 암호화만 하려면: {s.with_sslmode('require')}",
    )


def _no_root_certificate(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        f"CA 인증서가 없습니다: {error.detail}",
        f"TLS를 맺지 못했습니다: 서버의 인증서를 sslmode={s.target.sslmode}로 확인할 수 없습니다. "
        "견줄 CA 인증서의 파일이 없거나 읽을 수 없습니다",
        f"{_fetch_certificate(s)}\n확인하지 않고 암호화만 하려면: {s.with_sslmode('require')}",
    )


def _wrong_name(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        f"서버의 인증서는 믿을 수 있으나 '{s.target.host}'의 것이 아닙니다"
        "(sslmode=verify-full은 이름까지 봅니다)",
        "URL의 서버를 인증서에 적힌 이름으로 바꿉니다. 그 이름 보기:\n"
        f"{_show_certificate(s)} | openssl x509 -noout -subject -ext subjectAltName\n"
        f"이름은 보지 않으려면: {s.with_sslmode('verify-ca')}",
    )


def _client_certificate(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        "클라이언트 인증서(sslcert)나 그 열쇠(sslkey)를 읽을 수 없습니다",
        "URL의 sslcert와 sslkey가 짝이 맞는지, 열쇠의 권한이 0600인지, 열쇠에 비밀번호가 있으면 "
        "sslpassword를 적었는지 보세요",
    )


def _fetch_certificate(s: Situation) -> str:
    """서버의 인증서를 받아 CA로 두는 명령."""
    given = s.target.sslrootcert
    if given and given != "system":
        return (
            f"{given}에 서버의 CA 인증서를 둡니다. 자기 서명이면 받아 둡니다(믿는 망에서 한 번):\n"
            f"{_show_certificate(s)} | openssl x509 > {shlex.quote(given)}"
        )
    note = "URL에서 sslrootcert=system 을 지우고, " if given else ""
    return (
        f"{note}서버의 CA 인증서를 ~/.postgresql/root.crt에 두거나 그 자리를 URL에 적습니다"
        "(sslrootcert=/경로/ca.crt). 자기 서명이면 받아 둡니다(믿는 망에서 한 번):\n"
        f"mkdir -p ~/.postgresql && {_show_certificate(s)} "
        "| openssl x509 > ~/.postgresql/root.crt"
    )


def _show_certificate(s: Situation) -> str:
    return (
        f"openssl s_client -starttls postgres -connect {shlex.quote(s.address)} "
        "</dev/null 2>/dev/null"
    )


def _is_ready(s: Situation) -> str:
    return f"pg_isready -h {shlex.quote(s.target.host)} -p {s.target.port}"


def _no_password(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        "",
        "서버가 비밀번호를 요구하는데 비밀번호가 없습니다",
        # 자리만 채운 비밀번호도 가려지므로(`mask_secrets`), 붙여 넣으면 물어보는 것을 먼저 댄다.
        "붙여 넣고 비밀번호를 칩니다(보이지 않습니다): read -rs PGPASSWORD; export PGPASSWORD\n"
        f"또는 ~/.pgpass(0600)에: {s.pgpass_line}\n"
        f"또는 URL에(*** 자리에 비밀번호): {s.url_without_password}",
    )


def _unsupported_auth(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        f"인증 방식 {error.detail}",
        "서버가 이 점검이 모르는 인증 방식(GSSAPI·SSPI 따위)을 요구합니다",
        "pg_hba.conf에서 이 사용자를 scram-sha-256으로 바꾸세요:\n" + hba_line(s, "scram-sha-256"),
    )


def _impostor(s: Situation, error: ProbeError) -> Outcome:
    return Outcome(
        "fail",
        error.detail,
        "서버가 비밀번호를 안다는 것을 보이지 못했습니다(SCRAM 서명이 맞지 않음). "
        "다른 서버가 그 주소에 있을 수 있습니다",
        f"주소를 확인하세요: {s.address}",
    )


_LOCAL: dict[str, Callable[[Situation, ProbeError], Outcome]] = {
    "no_such_host": _dns,
    "no_dns": _no_dns,
    "refused": _refused,
    "unreachable": _unreachable,
    "timeout": _timeout,
    "no_socket": _no_socket,
    "not_postgres": _not_postgres,
    "closed": _closed,
    "hung_up": _hung_up,
    "no_ssl": _no_ssl,
    "bad_certificate": _bad_certificate,
    "no_root": _no_root_certificate,
    "wrong_name": _wrong_name,
    "client_certificate": _client_certificate,
    "no_password": _no_password,
    "unsupported_auth": _unsupported_auth,
    "impostor": _impostor,
}
