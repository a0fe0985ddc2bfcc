"""문서의 ```bash 명령을 그대로 돌리는 받침.

모래밭(`Sandbox`)은 프로젝트의 사본처럼 보이는 임시 폴더다: `시작`과 코드는 진짜를 가리키고,
`config/`는 사본이며, `studies/`와 `data/`는 비어 있고, `.venv`는 지금 도는 환경의 꾸러미를 본다.
명령은 고치지 않고 bash에 준다. 바꾸는 것은 이것뿐이다:

- 기준 서버의 URL(`postgres:5432@localhost:5432/optuna`) → 시험용 PostgreSQL의 URL
- `docker`: 데몬이 없으므로 인자가 기준 서버나 작업자의 이미지와 맞는지만 보는 대역
- `helm` `kubectl` `sbatch`: 무리가 없으므로 파일이 있고 읽히는지만 보는 대역
- `dask scheduler|worker`: 진짜를 뒤에서 띄운다. 문서의 주소(`192.168.0.10:8786`)는 빈 loopback 포트가 된다
- 인자 없는 `./시작`: 단말기(pty)에서 열어 첫 화면을 보고 Ctrl+Q로 닫는다
- `./시작 웹`: 주소를 알리면 Ctrl+C로 닫는다
- `./시작 벤치`: 무엇을 돌릴지 보이는 데까지만(`--dry-run`)
- `./시작 테스트`: 시험 파일 하나를 모으는 데까지만. `pip install`: 설치해 보는 데까지만(`--dry-run`)

모르는 명령, 실패한 명령은 어느 문서의 몇째 줄인지와 함께 `DocsError`가 된다. 실패가 옳은 명령은
줄 끝에 `# exit code N`을 적는다.
"""

from __future__ import annotations

import gzip
import os
import pty
import random
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from docs_shims import CLUSTER_TOOL, DOCKER
from in_process import call

REPO = Path(__file__).resolve().parents[1]
BASH_FENCES = ("bash", "sh", "shell", "console")
# 그대로 돌려도 되는 프로그램. 여기에 없는 것은 어떻게 할지 정하고 더한다.
PROGRAMS = frozenset(
    [
        "./시작",
        "python",
        "pip",
        "psql",
        "optuna",
        "docker",
        "dask",
        "helm",
        "kubectl",
        "sbatch",
        "export",
        "cat",
        "cp",
        "echo",
        "grep",
        "head",
        "ls",
        "mkdir",
        "tail",
        "wc",
    ]
)
REFERENCE_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://postgres:5432@(?:localhost|127\.0\.0\.1):5432/optuna"
)
EXPECTED_EXIT = re.compile(r"\s#.*exit code (\d+)")
LINKED = ("optimize", "tui", "tests", "docs", "pyproject.toml", "requirements.txt", "README.md")
TIMEOUT_SECONDS = 600  # 처음에는 커널을 컴파일한다
SCREEN_SIGN = "백테스트 마법사"
CANDLE_DAYS = 10
CANDLE_START = 1_704_067_200_000  # 2024-01-01 00:00 UTC
SCHEDULER = "192.168.0.10:8786"
COLLECTED = "tests/integration/test_readme.py"


class DocsError(AssertionError):
    """문서의 명령을 돌릴 수 없거나, 돌렸더니 실패했다."""


@dataclass(frozen=True)
class Command:
    """문서의 명령 하나. line: 파일에서의 줄 번호(1부터)."""

    path: Path
    line: int
    text: str

    @property
    def where(self) -> str:
        return f"{self.path.name}:{self.line}: {self.text}"

    @property
    def exit_code(self) -> int:
        match = EXPECTED_EXIT.search(self.text)
        return int(match[1]) if match else 0

    def programs(self) -> list[str]:
        """이 명령이 부르는 프로그램들(pipe와 `&&`의 뒤도)."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        found, at_start = [], True
        for token in lexer:
            if set(token) <= set("|&;()"):
                at_start = True
            elif at_start and not re.match(r"\w+=", token):
                found.append(token)
                at_start = False
        return found


def documents() -> list[Path]:
    """명령을 돌려 볼 문서: README와 docs/의 모든 Markdown."""
    return [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]


def commands(path: Path) -> list[Command]:
    """문서의 셸 블록에 든 명령들. 이어진 줄(`\\`)은 하나로 붙인다."""
    found: list[Command] = []
    language: str | None = None
    pending, began = "", 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            language = fence[1] if language is None else None
        elif language in BASH_FENCES:
            stripped = line.strip().removeprefix("$ ")
            if not pending and (not stripped or stripped.startswith("#")):
                continue
            began = began if pending else number
            pending += stripped.removesuffix("\\")
            if not stripped.endswith("\\"):
                found.append(Command(path, began, pending))
                pending = ""
        elif language is not None and re.match(r"\s*(\$ |\./시작|python -m optimize)", line):
            raise DocsError(f"{path.name}:{number}: 명령이 ```bash가 아닌 블록에 있다: {line}")
    return found


@dataclass
class Sandbox:
    """명령을 돌리는 임시 프로젝트. storage_url: psql도 읽는 꼴의 시험용 PostgreSQL URL."""

    root: Path
    storage_url: str
    environment: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)
        shutil.copy2(REPO / "시작", self.root / "시작")
        for name in ("launcher", "config"):
            shutil.copytree(REPO / name, self.root / name)
        for name in LINKED:
            (self.root / name).symlink_to(REPO / name)
        shims = self.root / ".shims"
        shims.mkdir()
        for tool in ("docker", "helm", "kubectl", "sbatch"):
            (shims / tool).write_text(DOCKER if tool == "docker" else CLUSTER_TOOL)
            (shims / tool).chmod(0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.scheduler = f"127.0.0.1:{probe.getsockname()[1]}"
        self._make_venv()
        paths = [shims, self.root / ".venv/bin", Path(sys.executable).parent]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "COV", "OPTUNA", "PG", "TEXTUAL", "PYTHON"))
        }
        self.environment = kept | {
            "PATH": os.pathsep.join([*map(str, paths), os.environ["PATH"]]),
            "HOME": str(self.root / ".home"),
            "BACKTEST_WIZARD_HOME": str(self.root),
            "OPTUNA_STORAGE": self.storage_url,
            "TERM": "xterm-256color",
            # 진짜 거래소에 묻지 않는다: ccxt의 명령은 닿지 못하는 것을 보인다.
            "BACKTEST_WIZARD_CCXT_URL": "http://127.0.0.1:9",
            "PYTHONSAFEPATH": "1",
            # 모래밭의 길이 든 .pyc를 진짜 tests/에 남기지 않는다(이어지는 시험이 그것을 읽는다).
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _make_venv(self) -> None:
        """꾸러미를 새로 받지 않고, 지금 도는 환경의 것을 보는 `.venv`와 그 설치 표."""
        venv = self.root / ".venv"
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60
        )
        site = next(venv.glob("lib/python3*/site-packages"))
        seen = [path for path in sys.path if path.endswith("site-packages")]
        # 코드의 진짜 자리로 읽는다: 컴파일한 커널의 캐시는 파일의 경로를 보므로, 모래밭마다 다시 컴파일하지 않는다.
        (site / "sandbox.pth").write_text("\n".join([str(REPO), *seen]))
        record = "import sys; from launcher import stamp; [stamp.record(x, sys.argv[1]) for x in stamp.ALL_EXTRAS]"
        subprocess.run(
            [sys.executable, "-c", record, str(site)], check=True, timeout=60, cwd=self.root
        )

    def import_candles(self, symbol: str) -> None:
        """그 심볼의 캔들을 캐시에 들여, 문서의 명령이 거래소 없이 돌게 한다."""
        (self.root / "candles.csv").write_text(candle_csv())
        command = [sys.executable, "-m", "optimize.data", "import", "candles.csv"]
        subprocess.run(
            [*command, "--symbol", symbol],
            cwd=self.root,
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=60,
        )

    def run(self, command: Command) -> str:
        """명령 하나를 돌리고 stdout과 stderr를 준다. `export`는 다음 명령까지 간다."""
        unknown = set(command.programs()) - PROGRAMS
        if unknown:
            raise DocsError(f"{command.where}\n돌리는 법을 모르는 명령: {', '.join(unknown)}")
        text = REFERENCE_URL.sub(self.storage_url, command.text).replace(SCHEDULER, self.scheduler)
        if text.strip() == "./시작":
            return self._open_screen(command)
        if text.startswith("dask "):
            return self._start_server(text)
        if text.startswith(("./시작 웹", "./시작 web")):
            return self._open_web(command)
        if text.startswith(("./시작 테스트", "./시작 test")):
            # 시험 속에서 시험을 또 돌리지 않는다. 모두 모으고 돌리는 것은 지금 이 명령이 하고 있다.
            chosen = shlex.split(text, comments=True)[2:] or [COLLECTED]
            text = shlex.join(["./시작", "테스트", "--collect-only", "-q", *chosen])
        if text.startswith(("./시작 벤치", "./시작 bench")):
            text = shlex.join([*shlex.split(text, comments=True), "--dry-run"])  # 몇 분이 걸린다
        if "pip install " in text:
            text = text.replace("pip install ", f"{_pip()} install --dry-run --no-deps ")
        self._make_candles(text)
        self._make_funding(text)
        if re.match(r"export \w+=", text):
            text += "\nenv -0 > .environment"
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != command.exit_code:
            raise DocsError(f"{command.where}\nexit code {done.returncode}\n{done.stdout[-3000:]}")
        self._take_exports()
        return done.stdout

    def _start_server(self, text: str) -> str:
        """dask의 scheduler나 작업자를 뒤에서 띄운다. 시험이 끝나면 닫는다."""
        host, _, port = self.scheduler.partition(":")
        text = text.replace(
            f"--host {SCHEDULER.partition(':')[0]} --port 8786", f"--host {host} --port {port}"
        )
        program, kind, *rest = shlex.split(text, comments=True)
        command = [sys.executable, "-m", f"distributed.cli.{program}_{kind}", *rest]
        process = subprocess.Popen(
            [*command, "--no-dashboard"],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.servers.append(process)
        return shlex.join(command)

    def _take_exports(self) -> None:
        saved = self.root / ".environment"
        if saved.exists():
            pairs = (entry.partition("=") for entry in saved.read_text().split("\0") if entry)
            self.environment = {name: value for name, _, value in pairs}
            saved.unlink()

    def _make_candles(self, text: str) -> None:
        """문서가 말하는 '가진 캔들 파일'을 그 이름으로 만든다."""
        for name in re.findall(r"(?:--data|import|들이기)[ =](\S+\.csv(?:\.gz)?)", text):
            path = self.root / os.path.expanduser(name)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                rows = candle_csv().encode()
                path.write_bytes(gzip.compress(rows) if path.suffix == ".gz" else rows)

    def _make_funding(self, text: str) -> None:
        """문서가 말하는 펀딩 기록: 네 시간마다, 몇 ms 늦은 시각."""
        for name in re.findall(r"--funding[ =](\S+\.csv\.gz)", text):
            rows = [
                f"{CANDLE_START + hour * 3_600_000 + hour % 9},0.0001" for hour in range(0, 480, 4)
            ]
            (self.root / name).write_bytes(gzip.compress("\n".join(["time,rate", *rows]).encode()))

    def _open_screen(self, command: Command) -> str:
        """`./시작`을 120×40 단말기에서 열고, 첫 화면이 그려지면 Ctrl+Q로 닫는다."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.root)
            os.execve(
                self.root / "시작", ["./시작"], self.environment | {"COLUMNS": "120", "LINES": "40"}
            )
        painted, deadline, asked = b"", time.monotonic() + 60, False
        try:
            while time.monotonic() < deadline:
                if select.select([terminal], [], [], 0.2)[0]:
                    try:
                        painted += os.read(terminal, 65536)
                    except OSError:  # 닫힌 단말기
                        break
                elif SCREEN_SIGN in painted.decode("utf-8", "replace"):
                    os.write(terminal, b"\x11")
                    asked = True
            else:
                os.kill(pid, 9)
        finally:
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
        text = painted.decode("utf-8", "replace")
        if not asked or os.waitstatus_to_exitcode(status) != command.exit_code:
            raise DocsError(f"{command.where}\n화면이 열리고 닫히지 않았다:\n{text[-2000:]}")
        return text

    def _open_web(self, command: Command) -> str:
        """`./시작 웹`을 빈 포트에서 열고, 주소를 알리면 Ctrl+C로 닫는다."""
        port = [] if "--port" in command.text else ["--port", "0"]
        process = subprocess.Popen(
            [*shlex.split(command.text, comments=True), *port],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        with process:
            said = ""
            for line in process.stdout or ():
                said += line
                if "Ctrl+C" in line:
                    process.send_signal(signal.SIGINT)
        if process.returncode != command.exit_code or "http://127.0.0.1" not in said:
            raise DocsError(f"{command.where}\nexit code {process.returncode}\n{said}")
        return said

    def close(self) -> None:
        """명령이 켜 둔 dask와 내장 PostgreSQL을 끈다."""
        for process in self.servers:
            process.terminate()
            process.wait(timeout=60)
        if (self.root / "studies/.postgres").exists():
            stop = [sys.executable, "-m", "optimize.storage", "embedded", "stop"]
            subprocess.run(stop, env=self.environment, cwd=self.root, check=True, timeout=60)


def _pip() -> str:
    """쓸 수 있는 pip. uv로 만든 .venv에는 pip가 없다."""
    for python in (sys.executable, os.path.realpath(sys.executable), shutil.which("python3")):
        found = subprocess.run([str(python), "-c", "import pip"], check=False, capture_output=True)
        if found.returncode == 0:
            return f"{python} -m pip"
    raise DocsError("pip를 찾지 못했다")


def candle_csv() -> str:
    """열흘 치 1분봉의 csv(open_time은 ms UTC). 늘 같다."""
    draw = random.Random(7)
    price, rows = 42_000.0, ["open_time,open,high,low,close,volume"]
    for minute in range(CANDLE_DAYS * 1440):
        opened, price = price, price * (1 + draw.gauss(0, 0.0007))
        high, low = max(opened, price) * 1.0003, min(opened, price) * 0.9997
        stamp = CANDLE_START + minute * 60_000
        rows.append(
            f"{stamp},{opened:.2f},{high:.2f},{low:.2f},{price:.2f},{draw.uniform(1, 9):.3f}"
        )
    return "\n".join(rows) + "\n"


def inline_code(path: Path) -> list[str]:
    """문서의 글 속 코드(`…`)들."""
    text = re.sub(r"^\s*```.*?^\s*```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"`([^`\n]+)`", text)


def help_text(main: Callable[[list[str]], int]) -> str:
    """명령과 그 아래 명령들의 `--help`를 모두 이은 글."""
    top = call(main, "--help").stdout
    names = re.findall(r"^ {2,4}([a-z]+)(?: \(|  |$)", top, re.MULTILINE)
    return "\n".join([top, *(call(main, name, "--help").stdout for name in names)])
