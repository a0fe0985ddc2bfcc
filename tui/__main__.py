"""`python -m tui`: 화면을 연다. Textual보다 먼저 환경을 다듬는다."""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 화면을 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import os
import signal
import sys

from tui import environment
from tui.text.common import DUMB_TERMINAL, NOT_A_TERMINAL


def main() -> int:
    """화면을 열고 exit code를 준다. 단말기가 아니거나 화면을 그릴 수 없는 단말기면 2."""
    for stream in (sys.stdout, sys.stderr, sys.__stderr__):
        if stream is not None and hasattr(stream, "reconfigure"):
            # LC_ALL=C나 다른 문자 집합에서도 한국어를 그린다.
            stream.reconfigure(encoding="utf-8", errors="replace")
    if not environment.is_served() and not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(NOT_A_TERMINAL, file=sys.stderr)
        return 2
    if not environment.is_served() and os.environ.get("TERM") == "dumb":
        print(DUMB_TERMINAL, file=sys.stderr)
        return 2
    environment.prepare()
    from tui.app import WizardApp

    # 화면이 도는 동안의 신호는 Textual이 받아 단말기를 되돌리고 끝낸다.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app = WizardApp()
    app.run(mouse=app.settings.mouse)
    return app.return_code or 0


if __name__ == "__main__":
    raise SystemExit(main())
