"""과최적화 판정의 창: 한 마디와, 잣대마다의 까닭과 할 일."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.cells import plain
from tui.commands import Command
from tui.problem import ProblemError
from tui.screens.base import CLOSE, BaseModal
from tui.text import common
from tui.text import insight as ko
from tui.verdicts import Verdict
from tui.widgets.chrome import KeyBar

_TONES = {"good": "good", "warn": "warn", "bad": "bad", "unknown": "muted"}
_LEVELS = {"suspect": "bad", "clear": "good"}

Load = Callable[[], Awaitable[Sequence[Verdict]]]


class VerdictScreen(BaseModal[None]):
    """load: 판정들을 얻는 일. 닫으면 그만둔다."""

    COMMAND_LIST = (
        Command("verdict.copy", "c", "copy", *common.COPY),
        CLOSE,
        Command("verdict.close", "enter,q,j", "close", *common.CLOSE, in_footer=False),
    )

    def __init__(self, name: str, load: Load) -> None:
        super().__init__()
        self._name, self._load = name, load
        self._text = Text(ko.VERDICT_WORKING)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="verdict-dialog"):
            title = ko.VERDICT_TITLE.format(name=self._name)
            yield Static(Text(plain(title)), classes="dialog-title")
            with VerticalScroll():
                yield Static(self._text, id="verdict-text")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.run_worker(self._judge(), exclusive=True, group="verdict")

    async def _judge(self) -> None:
        try:
            verdicts = await self._load()
        except ProblemError as error:
            lines = error.problem.as_text().splitlines()
            self._text = Text("\n".join(plain(line) for line in lines))
        else:
            self._text = self._report(verdicts)
        self.query_one("#verdict-text", Static).update(self._text)

    def _report(self, verdicts: Sequence[Verdict]) -> Text:
        if not verdicts:
            return Text(ko.VERDICT_NONE)
        variables = self.app.theme_variables
        colours = {
            "good": variables.get("success", ""),
            "warn": variables.get("warning", ""),
            "bad": variables.get("error", ""),
            "muted": variables.get("muted", ""),
        }
        text = Text()
        for index, verdict in enumerate(verdicts):
            text.append("\n\n" if index else "")
            tone = colours[_LEVELS.get(verdict.level, "warn")]
            text.append(f"{plain(verdict.cell)}  " if len(verdicts) > 1 else "", "bold")
            text.append(plain(verdict.label), f"bold {tone}")
            text.append(f"\n{plain(verdict.headline)}\n")
            for finding in verdict.findings:
                mark = ko.VERDICT_MARKS.get(finding.mark, finding.mark)
                text.append(f"\n{plain(finding.title)}: ", "bold")
                text.append(plain(mark), colours[_TONES.get(finding.mark, "muted")])
                text.append(f"\n{plain(finding.text)}\n")
                if finding.todo:
                    text.append(
                        f"{ko.VERDICT_NEXT_STEP.format(text=plain(finding.todo))}\n", "bold"
                    )
        text.rstrip()
        return text

    def action_copy(self) -> None:
        """보이는 글을 클립보드에."""
        self.app.copy_to_clipboard(self._text.plain)
        self.app.notify(common.COPIED)
