"""Locks of a project."""

import threading
from pathlib import Path

from pipeline.tracking.store import store_lock


def test_whoever_has_to_wait_for_a_lock_is_told_once(tmp_path: Path) -> None:
    said: list[str] = []
    with store_lock(tmp_path, "step", lambda: said.append("first")):
        waiting = threading.Event()

        def wait() -> None:
            with store_lock(tmp_path, "step", lambda: (said.append("second"), waiting.set())[0]):
                said.append("has it")

        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(10)
        assert said == ["second"]
    thread.join(10)
    assert said == ["second", "has it"]
    with store_lock(tmp_path, "step"):
        pass
