"""실행 화면: 사건 파일을 따라 읽어 표와 진행을 보인다. 새로 띄운 실행과 다시 붙은 실행이 같은 길을 간다."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from tui import bridge
from tui.cells import cut, plain
from tui.commands import Command
from tui.problem import ProblemError
from tui.processes import exit_code, interrupt, is_alive, is_ended
from tui.run_model import Located
from tui.runs import EVENTS_FILE, LOG_FILE, starting
from tui.screens.run_trials import (
    EQUITY,
    PARETO,
    PLOTS,
    SPLITS,
    TRIAL_COMMANDS,
    VERDICT,
    TrialsScreen,
)
from tui.storage_test import readable
from tui.studies_commands import PLAN_FILE, logged_problem
from tui.studies_model import stored_study
from tui.text import common, insight
from tui.text import run as ko
from tui.verdicts import VERDICT_FILE, Verdict, parse_verdict, read_record
from tui.widgets.run_panel import RunPanel, score_text
from tui.widgets.trial_table import TrialTable, sort_text

_ALIVE_SECONDS = 1.0
# 도는 실행이 이만큼 소식이 없으면 그렇게 말한다.
_QUIET_SECONDS = 10.0
# 저장소에 닿지 못한 exit code.
_STORAGE_EXIT = 3
# 새 스터디의 이름을 권하는 해결에 있는 인자.
_NEW_NAME = "--study-name"
# 표 위의 한 줄에서 마지막 경고가 차지하는 칸.
_WARNING_WIDTH = 44
_TONES = {"failed": "bad", "dead": "bad", "interrupted": "warn", "done": "good"}


class RunScreen(TrialsScreen):
    """실행 하나. 화면을 닫아도 실행은 계속된다."""

    PATH = ko.PATH
    HELP_TEXT = ko.HELP
    COMMAND_LIST = (
        *TRIAL_COMMANDS,
        Command("run.stop", "x", "stop", *ko.STOP),
        Command("run.add", "f6,a", "add", *ko.ADD),
        VERDICT,
        Command("run.leave", "escape,q", "leave", *ko.LEAVE),
        Command("run.pause", "space,p", "pause", *ko.PAUSE),
        Command("run.log", "l", "log", *ko.LOG),
        PLOTS,
        EQUITY,
        PARETO,
        SPLITS,
    )

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir / EVENTS_FILE)
        self.run_dir = run_dir
        self._alive = True
        # 프로세스가 사라진 것을 안 때의 empty_reads.
        self._gone_at: int | None = None
        self._read_bytes = 0
        self._heard = time.monotonic()
        self._stopping = False
        self._shown_ending: str | None = None
        self._doubted = False

    def compose_head(self) -> ComposeResult:
        yield RunPanel(self.model)
        yield Static(id="run-ending")

    def on_mount(self) -> None:
        super().on_mount()
        self.follow()
        self.set_interval(_ALIVE_SECONDS, self._check_alive)

    # ── 사건

    def apply_events(self, located: list[Located]) -> range:
        studies = len(self.model.studies)
        rows = super().apply_events(located)
        self._heard, self.model.quiet_s = time.monotonic(), 0.0
        self._read_bytes = located[-1].offset + located[-1].length
        if len(self.model.studies) != studies:
            self.refresh_bindings()
        self.query_one(RunPanel).refresh(layout=len(self.model.studies) != studies)
        return rows

    def _check_alive(self) -> None:
        alive = self._is_alive()
        if alive:
            self._gone_at = None
        quiet = time.monotonic() - self._heard
        if alive and quiet >= _QUIET_SECONDS and self.model.studies:
            self.model.quiet_s = quiet
            self.query_one(RunPanel).refresh()
        alive = alive or self._may_tell_more()
        if alive != self._alive:
            self._alive = alive
            self.model.gone = not alive and self.model.exit_code is None
            self.query_one(RunPanel).refresh()
            self.query_one(TrialTable).refresh()
            self.show_note()

    def _may_tell_more(self) -> bool:
        """프로세스가 없어도 기록을 끝까지 읽기 전에는 끊겼다고 하지 않는다: 끝났다는 말이 뒤에 있을 수 있다."""
        if self.model.exit_code is not None:
            return False
        if self._gone_at is None:
            self._gone_at = self.empty_reads
        # 지금 읽고 있던 것은 그 전에 시작했을 수 있다: 하나 더 기다린다.
        return self.empty_reads < self._gone_at + 2

    def _is_alive(self) -> bool:
        if self.model.exit_code is not None:
            return False
        if self.model.host and self.model.host != bridge.host_name():
            return True
        if not self.model.pid:
            # 사건을 적기 전에 끝났을 수 있다.
            return not is_ended(self.run_dir.name) and starting(self.run_dir)
        return exit_code(self.model.pid) is None and is_alive(self.model.pid)

    # ── 보이기

    @property
    def state(self) -> str:
        """starting | running | reading | done | failed | interrupted | dead."""
        code = self.model.exit_code
        if code is not None:
            return {0: "done", 130: "interrupted"}.get(code, "failed")
        if not self._alive:
            return "failed" if self.model.error is not None or not self.model.pid else "dead"
        if self._gone_at is not None and self.model.studies:
            return "reading"
        return "running" if self.model.studies else "starting"

    @property
    def storage_masked(self) -> str:
        """진단이 볼 저장소. 아직 모르면 빈 글."""
        return self.model.studies[0].storage if self.model.studies else ""

    def show_note(self) -> None:
        """머리줄과, 끝났으면 무엇을 찾았는지."""
        bar = self.top_bar
        bar.path = (*ko.PATH, self.model.symbol or self.run_dir.parent.parent.name)
        bar.badge = common.DEMO if self.model.is_demo else ""
        stopping = self._stopping and self.state == "running"
        bar.note = ko.STOPPING if stopping else self._state_text()
        table = self.query_one(TrialTable)
        parts = [ko.PAUSED] if table.frozen else []
        parts += [self.count_text(), sort_text(table.view), *self.goal_text()]
        if self.model.studies:
            parts += [self._workers()] if self.model.workers and not self.model.is_over else []
            parts.append(ko.STORAGE.format(storage=readable(self.model.studies[0].storage)))
        text = Text(no_wrap=True, overflow="ellipsis")
        warnings = [m for m in self.model.messages if isinstance(m, bridge.WarningEvent)]
        if warnings:
            last = cut(plain(warnings[-1].title), _WARNING_WIDTH)
            warning = ko.WARNINGS.format(n=len(warnings), title=last)
            text.append(f"{warning}  ", self.app.theme_variables.get("warning", ""))
        text.append(plain("  ".join(parts)))
        # 한 줄이라 자리가 바뀌지 않는다: 화면 전체를 다시 놓지 않는다.
        self.query_one("#run-note", Static).update(text, layout=False)
        self._show_ending(self._ending())

    def _state_text(self) -> str:
        if self.state != "reading":
            return ko.STATES[self.state]
        try:
            size = self.events_path.stat().st_size
        except OSError:
            size = 0
        return ko.READING.format(share=self._read_bytes / max(1, size, self._read_bytes))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """끝난 실행에서는 멈추기를, 도는 실행에서는 판정을 아래줄에 보이지 않는다."""
        finished = self.model.exit_code is not None
        if action in ("stop", "pause"):
            return not finished and self._alive and self.state != "reading"
        if action == "add":
            # 계획을 적기 전에 끝난 실행은 이을 것이 없다.
            return (finished or not self._alive) and self.plan_file() is not None
        if action == "pareto":
            return any(study.goals > 1 for study in self.model.studies)
        return not (action == "verdict" and not self.model.results)

    def _workers(self) -> str:
        """작업자의 수. 여러 컴퓨터면 컴퓨터마다."""
        text = ko.WORKERS.format(n=self.model.workers)
        hosts = self.model.hosts
        each = [ko.HOST.format(host=host, n=count) for host, count in sorted(hosts.items())]
        return f"{text} ({', '.join(each)})" if each else text

    def _show_ending(self, ending: str) -> None:
        if ending == self._shown_ending:
            return
        self._shown_ending = ending
        self.refresh_bindings()
        line = self.query_one("#run-ending", Static)
        line.display = bool(ending)
        chosen = "warn" if self._doubted else _TONES.get(self.state)
        for tone in ("good", "warn", "bad"):
            line.set_class(chosen == tone, tone)
        line.update(Text("\n".join(plain(part) for part in ending.splitlines())))

    def _ending(self) -> str:
        """끝난 실행의 한두 문장: 무엇을 찾았고 다음에 무엇을 하나."""
        match self.state:
            case "done":
                return self._findings()
            case "interrupted":
                return ko.INTERRUPTED
            case "failed":
                ways = ko.FAILED_MORE
                # 설정이 달라 이을 수 없는 것은 이어 실행해도 같다.
                other = self.model.error is not None and _NEW_NAME in self.model.error.fix
                ways += ko.FAILED_NAME if other else ko.FAILED_RESUME if self.plan_file() else ""
                ways += ko.FAILED_CHECK if self.model.exit_code == _STORAGE_EXIT else ""
                return f"{self._failure()}\n{ways}"
            case "dead":
                return ko.DEAD if self.plan_file() else ko.DEAD_EARLY
            case _:
                return ""

    def _failure(self) -> str:
        error = self.model.error or logged_problem(self.run_dir / LOG_FILE)
        if error is None:
            return ko.FAILED_SILENTLY
        lines = [ko.FAILED.format(title=error.title)]
        for label, body in ((common.ERROR_CAUSE, error.cause), (common.ERROR_FIX, error.fix)):
            first, _, more = readable(body).partition("\n")
            lines += [f"{label}: {first}{' …' if more else ''}"] if first else []
        return "\n".join(lines)

    def _findings(self) -> str:
        results = self.model.results
        count = sum(item.n_complete + item.n_pruned + item.n_failed for item in results)
        best = (min if self.model.minimize else max)(
            (item for item in results if item.best_value is not None),
            key=lambda item: item.best_value or 0.0,
            default=None,
        )
        if best is None:
            return ko.DONE.format(count=count, found=ko.FOUND_NONE)
        cells = {study.name: study.cell for study in self.model.studies}
        folder = readable(bridge.results_folder(best.slug, best.study))
        cell, front = cells.get(best.study, best.study), best.front_size
        if front is None:
            found, following = (
                ko.FOUND.format(score=score_text(best.best_value), cell=cell),
                ko.NEXT,
            )
        else:
            found, following = ko.FOUND_FRONT.format(count=front, cell=cell), ko.NEXT_FRONT
        lines = [ko.DONE.format(count=count, found=found), following.format(folder=folder)]
        return "\n".join([*lines, *self._verdict_lines()])

    def _verdicts(self) -> list[Verdict]:
        """이 실행의 스터디들의, 끝날 때 적힌 판정."""
        folder = bridge.studies_dir()
        bodies = [read_record(folder, item.study, VERDICT_FILE) for item in self.model.results]
        return [parse_verdict(body) for body in bodies if body is not None]

    def _verdict_lines(self) -> list[str]:
        """판정을 한 줄로. 칸이 여럿이면 판정마다 모은다."""
        found = self._verdicts()
        if not found:
            return []
        line = insight.VERDICT_LINE.format(label=found[0].label, headline=found[0].headline)
        if len(found) > 1:
            cells: dict[str, list[str]] = {}
            for item in found:
                cells.setdefault(item.label, []).append(item.cell)
            levels = ", ".join(
                insight.VERDICT_LEVEL.format(label=label, n=len(names), cells=", ".join(names))
                for label, names in cells.items()
            )
            line = insight.VERDICT_MANY.format(levels=levels)
        self._doubted = any(item.level == "suspect" for item in found)
        return [f"{line}  {insight.VERDICT_MORE}"]

    def plan_file(self) -> Path | None:
        path = self.run_dir / PLAN_FILE
        return path if path.exists() else None

    # ── 명령

    def action_pause(self) -> None:
        """표를 멈추거나 푼다."""
        table = self.query_one(TrialTable)
        table.set_frozen(not table.frozen)
        self.show_note()

    def action_verdict(self) -> None:
        """끝난 실행의 판정을 잣대마다."""
        from tui.screens.verdict import VerdictScreen

        async def load() -> list[Verdict]:
            return await asyncio.to_thread(self._verdicts)

        self.app.push_screen(VerdictScreen(self.model.symbol, load))

    def action_splits(self) -> None:
        """커서가 있는 시행의 칸(없으면 첫 칸)의 나눔."""
        row = self.query_one(TrialTable).current
        if self.model.studies:
            study = self.model.studies[0 if row is None else self.model.trials[row].study]
            self.show_splits(study.name)

    def action_pareto(self) -> None:
        """커서가 있는 시행의 칸(없으면 첫 칸)의 파레토 최적."""
        row = self.query_one(TrialTable).current
        if self.model.studies:
            at = 0 if row is None else self.model.trials[row].study
            self.show_pareto(stored_study(self.model.studies[at]), at)

    def action_log(self) -> None:
        """경고와 실행 기록의 창."""
        from tui.screens.run_log import RunLog

        self.app.push_screen(RunLog(self.model.messages, self.run_dir / LOG_FILE))

    def action_stop(self) -> None:
        """물어보고 멈춘다."""
        from tui.screens.confirm import Confirm

        if not self._is_alive() or not self.model.pid:
            self.wizard.toast(ko.STOP_GONE)
            return
        if self.model.host and self.model.host != bridge.host_name():
            self.wizard.toast(ko.STOP_ELSEWHERE.format(host=self.model.host), severity="warning")
            return
        again = (ko.STOP_AGAIN_TITLE, ko.STOP_AGAIN_BODY)
        words = again if self._stopping else (ko.STOP_TITLE, ko.STOP_BODY)
        self.app.push_screen(Confirm(*words), self._stop)

    def _stop(self, confirmed: bool | None) -> None:
        if confirmed:
            sent = interrupt(self.model.pid)
            self.wizard.toast(ko.STOP_SENT if sent else ko.STOP_GONE)
            self._stopping = sent
            self.show_note()

    def action_add(self) -> None:
        """목표를 늘려 같은 설정으로 이어서 실행한다."""
        if self.model.exit_code is None and self._is_alive():
            self.wizard.toast(ko.ADD_RUNNING)
            return
        self.run_worker(self._add(), group="add", exclusive=True)

    async def _add(self) -> None:
        from tui.screens.confirm_text import AskText, above
        from tui.studies_commands import extend_run

        studies = self.model.studies
        target = max((study.target for study in studies), default=self.model.planned)
        done = min((study.done for study in studies), default=0)
        # 채우지 못하고 끝났으면 같은 목표까지 이어 갈 수 있다.
        suggested = target if done < target else target * 2
        body = (ko.RESUME_BODY if done < target else ko.ADD_BODY).format(target=target, done=done)
        check = above(done, ko.ADD_BAD.format(target=done))
        answer = await self.app.push_screen_wait(
            AskText(ko.ADD_TITLE, body, ko.ADD_LABEL, str(suggested or 100), check)
        )
        if answer is None:
            return
        try:
            folder = await asyncio.to_thread(extend_run, self.run_dir, int(answer))
        except ProblemError as error:
            self.wizard.show_problem(error.problem)
            return
        self.wizard.open_run(folder)

    def action_leave(self) -> None:
        """거르기를 지우거나, 처음 화면으로 간다."""
        if self.clear_filter():
            return
        if self._is_alive():
            self.wizard.toast(ko.LEFT)
        self.app.pop_screen()
