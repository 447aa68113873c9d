"""JupyterLab and Notebook 7 with directories of their own, and Debian's Chromium: what a user of a notebook has.

Where Chromium is missing these tests fail: `.ci/run` installs it.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

START = 90
"""Seconds that the server may take to answer, and a kernel to run a cell."""

PATIENCE = 5
"""Seconds after which a cell that has not begun is run again: until its kernel is there, a notebook drops the call."""

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]


FRONTS = {"lab": "lab/workspaces/auto-{name}/tree/{name}.ipynb?reset", "notebook": "notebooks/{name}.ipynb"}
"""Where the server that serves both opens a notebook in JupyterLab and in Notebook 7."""


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator["Server"]:
    root = tmp_path_factory.mktemp("lab")
    (root / "notebooks").mkdir()
    port = _free_port()
    private = {name: str(root / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    environment = {**os.environ, **private, "JUPYTER_RUNTIME_DIR": str(root / "runtime")}
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=", "--LabApp.news_url=None"]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={root / 'notebooks'}"]
    with open(root / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", process, root / "log")
        with sync_playwright() as playwright:
            executable = shutil.which("chromium") or shutil.which("chromium-browser")
            expect.set_options(timeout=20_000)
            browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
            yield Server(browser, root / "notebooks", f"http://127.0.0.1:{port}")
            browser.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(params=FRONTS)
def lab(request: pytest.FixtureRequest, server: "Server") -> "Lab":
    """JupyterLab, and Notebook 7."""
    return Lab(server, request.param)


@dataclass(frozen=True)
class Server:
    """What both front ends share."""

    browser: Browser
    folder: Path
    address: str


class Lab:
    """Notebooks opened in a browser, in the front end `front`."""

    def __init__(self, server: Server, front: str):
        self.browser, self.folder, self.address = server.browser, server.folder, server.address
        self.front = front

    def open(self, name: str, *cells: str) -> "Notebook":
        """A new notebook with these cells, none of them run."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.path(name))
        return self.reopen(name)

    def path(self, name: str) -> Path:
        """Where a notebook lies: each front end has its own."""
        return self.folder / f"{name}-{self.front}.ipynb"

    def reopen(self, name: str) -> "Notebook":
        """The notebook as it was saved."""
        page = self.browser.new_page(viewport={"width": 1500, "height": 2400})
        page.set_default_timeout(START * 1000)
        page.goto(f"{self.address}/{FRONTS[self.front].format(name=self.path(name).stem)}")
        page.locator(".jp-Notebook").wait_for()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()
        return Notebook(page)


class Notebook:
    """One notebook in its tab."""

    def __init__(self, page: Page):
        self.page = page

    def cell(self, index: int) -> Locator:
        """A cell by its place."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def write(self, index: int, text: str) -> None:
        """Put a text at the end of a cell, as if it had been typed without the editor's help."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.insert_text(text)

    def run(self, index: int) -> Locator:
        """Run a cell; gives its outputs when the kernel is idle again."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        deadline = time.monotonic() + START
        while not prompt.inner_text().strip(" :[]\xa0") and time.monotonic() < deadline:
            self._answer_dialog()
            self.cell(index).locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            with suppress(AssertionError):
                expect(prompt).not_to_have_text(re.compile(r"^\[ \]:?$"), timeout=PATIENCE * 1000)
        expect(prompt).to_have_text(re.compile(r"^\[\d+\]:?$"), timeout=START * 1000)
        return self.cell(index).locator(".jp-OutputArea-output")

    def _answer_dialog(self) -> None:
        """Say yes to what JupyterLab asks by itself: which kernel, whether to hear news."""
        yes = self.page.locator(".jp-Dialog button.jp-mod-accept")
        if yes.count():
            yes.first.click()

    def help_at_the_cursor(self) -> Locator:
        """Ask with Shift+Tab; gives the tooltip."""
        self.page.keyboard.press("Shift+Tab")
        return self.page.locator(".jp-Tooltip")

    def save(self) -> None:
        """Save, and wait until it is saved."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url
        ):
            self.page.keyboard.press("Control+s")

    def close(self) -> None:
        """Close the tab."""
        self.page.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(log.read_text("utf-8", "replace"))
