"""명령들의 입구: 오류를 한국어로 쓰고 exit code로 끝내는 한 자리.

stdout은 자료, stderr는 알림이다. 예상하지 못한 예외의 traceback은 화면이 아니라
`studies/.logs/` 아래 파일에 남기고 그 자리를 알린다.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from optimize import paths
from optimize.errors import SettingsError, WizardError
from optimize.interrupt import EXIT_INTERRUPTED, STOPPED, Stopped, stoppable
from optimize.masking import mask_secrets, printable

INTERNAL_ERROR_EXIT = 5


class KoreanArgumentParser(argparse.ArgumentParser):
    """틀린 인자를 `SettingsError`로 올리는 argparse. 도움말의 머리말도 한국어다."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("add_help", False)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._positionals.title = "인자"
        self._optionals.title = "옵션"
        self.add_argument("-h", "--help", action="help", help="이 도움말을 보이고 끝낸다")

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "사용법:")

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "사용법:")

    def error(self, message: str) -> NoReturn:
        raise SettingsError(
            "명령의 인자가 틀렸습니다",
            _translate(message),
            f"{self.prog} --help 로 쓰는 법을 보세요",
        )


_ARGPARSE_PHRASES = (
    ("unrecognized arguments:", "모르는 인자:"),
    ("the following arguments are required:", "빠진 인자:"),
    ("expected one argument", "값이 하나 필요합니다"),
    ("expected at least one argument", "값이 하나 이상 필요합니다"),
    ("invalid choice:", "고를 수 없는 값:"),
    ("choose from", "고를 수 있는 값:"),
    ("invalid int value:", "정수가 아닙니다:"),
    ("invalid float value:", "수가 아닙니다:"),
    ("not allowed with argument", "함께 쓸 수 없는 인자:"),
    ("one of the arguments", "다음 가운데 하나가 필요합니다:"),
    ("is required", ""),
    ("ignored explicit argument", "값을 받지 않는데 준 값:"),
    ("argument ", "인자 "),
)


def _translate(message: str) -> str:
    for english, korean in _ARGPARSE_PHRASES:
        message = message.replace(english, korean)
    return message


def print_error(error: WizardError) -> None:
    """오류를 stderr에 제목·원인·해결로 쓴다."""
    print(f"오류: {printable(error.title)}", file=sys.stderr)
    for label, body in (("원인", error.cause), ("해결", error.fix)):
        if body:
            first, *rest = [printable(line.expandtabs(4)) for line in body.splitlines()]
            print(f"  {label}: {first}", file=sys.stderr)
            for line in rest:
                print(f"        {line}", file=sys.stderr)


def command(main: Callable[[list[str]], int]) -> Callable[[list[str] | None], int]:
    """`main(argv) -> exit code`를 감싼다: WizardError·Ctrl-C·예상 밖의 예외를 exit code로 바꾼다."""

    def guarded(argv: list[str] | None = None) -> int:
        _fill_closed_streams()
        # 작은 행렬 곱은 thread를 나누면 서로 기다리느라 CPU를 네 배 쓴다. numpy를 부르기 전에 정한다.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # 끝난 프로세스의 기억은 운영 체제가 한꺼번에 거둔다: 객체를 하나씩 치우는 데 0.2~0.6초를 쓰지 않는다.
        atexit.register(gc.freeze)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # LC_ALL=C에서도 한국어를 쓴다.
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        try:
            with stoppable():
                return main(sys.argv[1:] if argv is None else argv)
        except WizardError as error:
            print_error(error)
            return error.exit_code
        except (Stopped, KeyboardInterrupt):
            print(STOPPED, file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            # 받는 쪽(head 등)이 먼저 닫혔다. 끝낼 때의 flush가 다시 실패하지 않게 한다.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:  # noqa: BLE001 — 마지막 문: traceback을 파일로 돌린다
            print_error(internal_error(error))
            return INTERNAL_ERROR_EXIT

    return guarded


def _fill_closed_streams() -> None:
    """닫힌 채로 불리면(`>&-`) 그 자리를 /dev/null로 채운다.

    비워 두면 다음에 여는 파일이 0·1·2번을 차지해 자식의 출력이 그 파일에 섞인다.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # 늘 가장 낮은 빈 번호를 주므로 바로 그 자리에 열린다.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def internal_error(error: Exception) -> WizardError:
    """예상 밖의 예외의 traceback을 비밀번호를 가려 파일에 남기고, 보일 오류를 만든다(화면도 쓴다)."""
    trace = mask_secrets("".join(traceback.format_exception(error)))
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    log = paths.studies_dir() / ".logs" / f"crash-{stamp}-{os.getpid()}.log"
    try:
        paths.private_dir(log.parent)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(trace)
    except OSError as reason:
        return WizardError(
            "프로그램 안에서 예상하지 못한 오류가 났습니다",
            f"{type(error).__name__}: {error}",
            f"기록을 남기지 못했습니다({reason}). studies/ 폴더에 쓸 수 있는지 보세요",
        )
    return WizardError(
        "프로그램 안에서 예상하지 못한 오류가 났습니다",
        f"{type(error).__name__}: {error}",
        f"자세한 기록: {log}\n이 파일을 붙여 알려 주세요. 끝난 시행은 저장되어 있습니다",
    )
