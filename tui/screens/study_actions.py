"""스터디 하나에 하는 일들: 더 실행, 내보내기, 이름, 복사, 정리, 지우기. 목록과 스터디 화면이 함께 쓴다."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.screen import Screen

from tui import bridge, bridge_studies
from tui.app import WizardApp
from tui.cells import plain
from tui.commands import Command
from tui.problem import ProblemError
from tui.screens.confirm import Confirm
from tui.screens.confirm_text import AskText, Check, above
from tui.screens.study_storage import OTHER, ChooseStorage
from tui.storage_test import readable
from tui.studies_commands import copy, extend, manage
from tui.studies_model import StudyItem
from tui.text import studies as ko

ACTION_COMMANDS = (
    Command("study.extend", "f6,a", "extend", *ko.EXTEND),
    Command("study.export", "f7,e", "export", *ko.EXPORT),
    Command("study.copy", "f8,y", "copy_study", *ko.COPY),
    Command("study.rename", "m", "rename", *ko.RENAME),
    Command("study.clean", "k", "clean", *ko.CLEAN),
    Command("study.delete", "delete,x", "delete", *ko.DELETE),
)
_STEM_BYTES = 150
_KINDS = (".csv", ".parquet", ".json")

Work = Callable[[StudyItem], Coroutine[Any, Any, None]]


class StudyActions(Screen[None]):
    """mixin: `target`의 스터디에 일을 한다. 한 번에 하나만 한다."""

    _working = False

    @property
    def target(self) -> StudyItem | None:
        """지금 고른 스터디. 하위 클래스가 준다."""
        return None

    @property
    def storages(self) -> Sequence[str]:
        """복사할 수 있는 아는 저장소들(가린 URL). 하위 클래스가 준다."""
        return ()

    def say(self, text: str) -> None:
        """하는 일을 한 줄로 보인다. 빈 글이면 지운다. 하위 클래스가 준다."""

    def study_changed(self, item: StudyItem | None) -> None:
        """스터디가 바뀌었다(None이면 없어졌다). 하위 클래스가 다시 읽는다."""

    # ── 명령

    def action_extend(self) -> None:
        """목표를 늘려 실행을 잇는다."""
        self._start(self._extend)

    def action_export(self) -> None:
        """파일로 내보낸다."""
        self._start(self._export)

    def action_copy_study(self) -> None:
        """다른 저장소에 복사한다."""
        self._start(self._copy)

    def action_rename(self) -> None:
        """이름을 바꾼다."""
        self._start(self._rename)

    def action_clean(self) -> None:
        """죽은 RUNNING을 정리한다."""
        self._start(self._clean)

    def action_delete(self) -> None:
        """이름을 물어보고 지운다."""
        self._start(self._delete)

    def _start(self, work: Work) -> None:
        app, item = self.wizard_app, self.target
        if item is None:
            app.toast(ko.PICK_STUDY)
        elif self._working:
            app.toast(ko.BUSY)
        else:
            self.run_worker(self._guarded(work, item), group="study-action")

    @property
    def wizard_app(self) -> WizardApp:
        """이 화면을 띄운 앱."""
        app = self.app
        assert isinstance(app, WizardApp)  # noqa: S101 — 이 화면은 그 앱에서만 뜬다
        return app

    async def _guarded(self, work: Work, item: StudyItem) -> None:
        self._working = True
        try:
            await work(item)
        except ProblemError as error:
            self.wizard_app.show_problem(error.problem)
        finally:
            self._working = False
        if self in self.app.screen_stack:
            self.say("")

    async def _ask(
        self, title: str, body: str, label: str, value: str, check: Check, *, password: bool = False
    ) -> str | None:
        screen = AskText(title, body, label, value, check, password=password)
        return await self.app.push_screen_wait(screen)

    # ── 일

    async def _extend(self, item: StudyItem) -> None:
        if item.state == "running":
            self.wizard_app.toast(ko.EXTEND_RUNNING, severity="warning")
            return
        body = ko.EXTEND_BODY.format(done=item.finished)
        check = above(item.finished, ko.EXTEND_BAD.format(done=item.finished))
        suggested = str(max(100, item.finished * 2))
        answer = await self._ask(ko.EXTEND_TITLE, body, ko.EXTEND_LABEL, suggested, check)
        if answer is not None:
            self.say(ko.WORKING.format(what=ko.EXTEND[0]))
            folder = await asyncio.to_thread(extend, item, int(answer))
            self.wizard_app.open_run(folder)

    async def _export(self, item: StudyItem) -> None:
        default = str(bridge.studies_dir() / f"{_file_stem(item.name)}.csv")

        def check(text: str) -> str:
            return "" if Path(text).suffix.lower() in _KINDS else ko.EXPORT_BAD

        answer = await self._ask(ko.EXPORT_TITLE, ko.EXPORT_BODY, ko.EXPORT_LABEL, default, check)
        if answer is None:
            return
        path = bridge.home() / bridge.expanded(answer)
        # 파일의 이름이 너무 길어도 예외가 없다: 쓰지 못하는 까닭은 내보내는 명령이 말한다.
        if os.path.exists(path):
            body = ko.EXPORT_OVERWRITE_BODY.format(path=path)
            if not await self.app.push_screen_wait(Confirm(ko.EXPORT_OVERWRITE_TITLE, body)):
                return
        self.say(ko.WORKING.format(what=ko.EXPORT[0]))
        await manage(item, ko.EXPORT[0], ["export", "--output", str(path), "--force"])
        self.wizard_app.toast(ko.EXPORTED.format(path=readable(str(path))))

    async def _rename(self, item: StudyItem) -> None:
        def check(text: str) -> str:
            return ko.RENAME_BAD if text in ("", item.name) else bridge_studies.name_problem(text)

        body = ko.RENAME_BODY.format(name=item.name)
        answer = await self._ask(ko.RENAME_TITLE, body, ko.RENAME_LABEL, item.name, check)
        if answer is None:
            return
        self.say(ko.WORKING.format(what=ko.RENAME[0]))
        await manage(item, ko.RENAME[0], ["rename"], [answer])
        self.wizard_app.toast(ko.RENAMED.format(name=answer))
        from dataclasses import replace

        storage = renamed_storage(item.storage, item.name, answer)
        self.study_changed(replace(item, name=answer, storage=storage))

    async def _clean(self, item: StudyItem) -> None:
        if not await self.app.push_screen_wait(Confirm(ko.CLEAN_TITLE, ko.CLEAN_BODY)):
            return
        self.say(ko.WORKING.format(what=ko.CLEAN[0]))
        await manage(item, ko.CLEAN[0], ["clean"])
        self.wizard_app.toast(ko.CLEANED.format(name=item.name))
        self.study_changed(item)

    async def _delete(self, item: StudyItem) -> None:
        name = item.label

        def check(text: str) -> str:
            return "" if text in (item.name, name) else ko.DELETE_BAD

        storage = readable(item.storage)
        body = ko.DELETE_BODY.format(storage=storage, name=name, trials=item.total)
        if await self._ask(ko.DELETE_TITLE, body, ko.DELETE_LABEL, "", check) is None:
            return
        self.say(ko.WORKING.format(what=ko.DELETE[0]))
        await manage(item, ko.DELETE[0], ["delete", "--yes"])
        self.wizard_app.toast(ko.DELETED.format(name=item.name))
        self.study_changed(None)

    async def _copy(self, item: StudyItem) -> None:
        target = await self._copy_target(item)
        if target is None:
            return
        self.say(ko.WORKING.format(what=ko.COPY[0]))
        seen: set[str] = set()

        def show(body: Mapping[str, Any]) -> None:
            seen.add(str(body.get("type")))
            if body.get("type") == "progress":
                done, total = int(body.get("done", 0)), int(body.get("total", 0))
                self.say(ko.PROGRESS.format(what=ko.COPY[0], done=done, total=total))

        await copy(item, target, show)
        done = ko.COPY_SAME if "same" in seen else ko.COPIED
        self.wizard_app.toast(done.format(name=item.name))
        self.study_changed(item)

    async def _copy_target(self, item: StudyItem) -> str | None:
        """복사할 곳의 URL(비밀번호 포함)이나 파일."""
        # 비어 있는 저장소(방금 켠 서버)에도 복사할 수 있다.
        known = [*self.storages, *await asyncio.to_thread(bridge_studies.known_storages)]
        others = [storage for storage in dict.fromkeys(known) if storage != item.storage]
        chosen = await self.app.push_screen_wait(ChooseStorage(item.name, others))
        if chosen is None or chosen != OTHER:
            return chosen and await asyncio.to_thread(bridge_studies.stored_url, chosen)

        def check(text: str) -> str:
            return "" if text else ko.COPY_BAD

        return await self._ask(
            ko.COPY_OTHER_TITLE, ko.COPY_OTHER_BODY, ko.COPY_OTHER_LABEL, "", check, password=True
        )


def renamed_storage(storage: str, old: str, new: str) -> str:
    """이름을 바꾼 뒤의 저장소: 이름을 따르는 SQLite 파일은 함께 옮겨졌다."""
    scheme, _, path = storage.partition(":///")
    if not scheme.startswith("sqlite") or Path(path).name != f"{old}.db":
        return storage
    moved = Path(path).with_name(f"{new}.db")
    return f"{scheme}:///{moved}" if os.path.exists(moved) else storage


def _file_stem(name: str) -> str:
    """내보낼 파일의 이름: 폴더를 가르는 글자와 제어 문자를 빼고, 파일 시스템이 받는 길이로."""
    stem = plain(name).replace("/", "_").replace("\\", "_").strip(" .") or "study"
    return stem.encode("utf-8")[:_STEM_BYTES].decode("utf-8", "ignore")
