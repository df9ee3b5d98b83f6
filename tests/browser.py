"""A page in headless Chromium, driven through the DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect  # comes with mujoco

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing may be looked up in a network, and root may run it.
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage --mute-audio --hide-scrollbars --remote-debugging-port=0"
).split()
PATIENCE = 60.0
"""Seconds until what is waited for counts as missing."""


class Page:
    def __init__(self, socket: Any):
        self._socket, self._calls = socket, 0
        self._contexts: list[int] = []
        self.file = Path()
        self.errors: list[str] = []
        """What scripts of the page have thrown."""
        for domain in ("Page", "Runtime"):
            self._call(f"{domain}.enable")

    def open(self, file: Path, fragment: str = "") -> None:
        self.file = file
        self._call("Page.navigate", url=file.resolve().as_uri() + fragment)
        self.wait(f"document.readyState == 'complete' && location.href.includes({json.dumps(file.name)})")

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def value(self, expression: str, framed: bool = False) -> Any:
        """The value of a JavaScript expression, of a promise the one it brings; in the page, or in the last frame."""
        where = {"contextId": self._contexts[-1]} if framed and self._contexts else {}
        answer = self._call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
            **where,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, framed: bool = False) -> Any:
        """Its value once it is true; in the page, or in the last frame."""
        end = time.monotonic() + PATIENCE
        while not (value := self.value(expression, framed)):
            assert time.monotonic() < end, (
                f"never true: {expression}\n{self.value('document.body.innerText')}"
            )
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(message["params"]["exceptionDetails"]))
            if message.get("method") == "Runtime.executionContextCreated":
                self._contexts.append(message["params"]["context"]["id"])
            if message.get("id") == self._calls:
                if "Cannot find context" in message.get("error", {}).get("message", ""):
                    return {"result": {}}  # of a frame that has gone meanwhile
                assert "error" not in message, (method, message["error"])
                return message["result"]


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A fresh Chromium with its files in an empty folder; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine (apt install chromium): pages are not looked at")
    process = subprocess.Popen(
        [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_address(profile, process), max_size=None, compression=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(profile: Path, process: subprocess.Popen) -> str:
    """Where the only page listens, once Chromium has said on which port."""
    port, end = profile / "DevToolsActivePort", time.monotonic() + PATIENCE
    while not (port.exists() and port.read_text().count("\n")):
        assert process.poll() is None, f"Chromium ended with exit code {process.returncode}"
        assert time.monotonic() < end, "Chromium does not start"
        time.sleep(0.05)
    local = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with local.open(f"http://127.0.0.1:{port.read_text().split()[0]}/json/list", timeout=PATIENCE) as answer:
        [page] = [target for target in json.load(answer) if target["type"] == "page"]
    return page["webSocketDebuggerUrl"]
