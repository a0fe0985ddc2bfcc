"""dask 작업자 쪽: 판을 견주고, 캔들을 받고, 시행을 받을 자격을 얻는다.

자격은 dask의 resource다. 판이 다르거나 이 프로그램이 없는 작업자는 자격이 없어 시행을 받지 않는다.
한 프로세스에 자격은 하나뿐이다: 시행들이 함께 쓰는 배열(Workspace)은 thread마다 따로 있지 않다.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from optimize.runner.cargo import CargoFile, place_cargo
from optimize.runner.versions import differences, versions

RESOURCE = "backtest_wizard"
_FOLDER = "backtest-wizard"


class WizardPlugin(WorkerPlugin):
    """작업자가 붙을 때(실행 도중에 붙는 작업자도) 한 번 돈다."""

    idempotent = True

    def __init__(self, expected: Mapping[str, str], cargo: Mapping[CargoFile, bytes]) -> None:
        self._expected = dict(expected)
        self._cargo = dict(cargo)

    async def setup(self, worker: Any) -> None:
        """판이 같으면 파일을 놓고 자격을 얻는다. 파일을 쓸 수 없으면 OSError(자격을 얻지 못한다)."""
        if differences(self._expected, await asyncio.to_thread(versions)):
            return
        folder = Path(worker.local_directory) / _FOLDER
        await asyncio.to_thread(place_cargo, self._cargo, folder)
        await worker.set_resources(**{RESOURCE: 1})
