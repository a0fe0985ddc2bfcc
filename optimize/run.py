"""`python -m optimize.run`: 설정을 계획으로, 계획을 실행으로.

exit code: 0 끝 · 2 인자나 설정 · 3 저장소 · 4 캔들 · 5 실행 실패 · 130 사용자가 멈춤.
"""

from __future__ import annotations

from optimize.interrupt import end_quietly

if __name__ == "__main__":
    # 나머지를 import하는 동안의 Ctrl-C도 traceback이 되지 않게 먼저 부른다.
    end_quietly()

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from optimize.cli import command
from optimize.memory import without_collection

if TYPE_CHECKING:
    from optimize.settings.plan import Plan


def main(argv: list[str]) -> int:
    """명령을 실행하고 exit code를 준다. 실패는 WizardError."""
    with without_collection():
        from optimize.settings.arguments import parse_run_arguments
        from optimize.settings.plan import make_plan

        arguments = parse_run_arguments(argv)
        plan = make_plan(arguments)
    if arguments.plan_only:
        from optimize.report.plan import print_plan

        # 전략 파일이 읽히며 쓰는 글이 계획에 섞이지 않게 한다.
        with redirect_stdout(sys.stderr):
            _check_search(plan)
        print_plan(plan.masked(), plan.command_line())
        return 0
    with without_collection():
        from optimize.runner.launch import launch

    return launch(plan, run_id=arguments.run_id, events=arguments.events)


def _check_search(plan: Plan) -> None:
    """실행하지 않고도 알 수 있는 잘못(없는 전략, 틀린 탐색 공간과 목표)을 계획에서 거절한다."""
    from optimize.runner.opening import make_objective, make_rules
    from optimize.search.overrides import apply_overrides
    from optimize.strategy.registry import load_strategy

    params = plan.params
    apply_overrides(load_strategy(params.strategy.name).parameters, params.strategy.space)
    make_objective(params.objective)
    make_rules(params)


if __name__ == "__main__":
    sys.exit(command(main)(None))
