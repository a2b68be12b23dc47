"""A page in headless Chromium: how wide its text is, what it fetches, how it looks."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tornado.websocket import websocket_connect

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "about:blank",
]


def chromium() -> str | None:
    """Find the browser; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Page:
    """One page, asked by the protocol of the developer tools."""

    def __init__(self, socket) -> None:
        self._socket, self._id, self.requests = socket, 0, []

    async def ask(self, method, **params):
        self._id += 1
        await self._socket.write_message(json.dumps({"id": self._id, "method": method, "params": params}))
        while True:
            said = json.loads(await asyncio.wait_for(self._socket.read_message(), 60))
            if said.get("method") == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            if said.get("id") == self._id:
                return said["result"]

    async def value(self, expression):
        found = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def open(self, path, width, *, dark=False):
        await self.ask("Network.enable")
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.ask("Emulation.setEmulatedMedia", features=features)
        self.requests.clear()
        await self.ask("Page.enable")
        await self.ask("Page.navigate", url=Path(path).resolve().as_uri())
        for _ in range(200):
            if await self.value("document.readyState") == "complete":
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("the page did not load")

    async def picture(self, path):
        found = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(found["data"]))


@contextmanager
def _running():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [str(chromium()), f"--user-data-dir={folder}", *FLAGS]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            yield Path(folder) / "DevToolsActivePort"
        finally:
            process.terminate()
            process.wait(30)


async def _asked(port_file, look):
    for _ in range(600):
        if port_file.exists() and len(port_file.read_text().split()) == 2:
            break
        await asyncio.sleep(0.1)
    port, browser = port_file.read_text().split()
    socket = await websocket_connect(f"ws://127.0.0.1:{port}{browser}", max_message_size=2**28)
    target = (await Page(socket).ask("Target.createTarget", url="about:blank"))["targetId"]
    own = await websocket_connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_message_size=2**28)
    try:
        return await look(Page(own))
    finally:
        own.close()
        socket.close()
        await asyncio.sleep(0.2)


def looked_at(look):
    """Start a browser, and give what `look` finds on a page of it."""
    with _running() as port_file:
        return asyncio.run(_asked(port_file, look))
