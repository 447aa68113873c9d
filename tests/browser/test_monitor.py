"""A run watched and steered by its monitor in a real JupyterLab, and found again by a new kernel."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from eulerstack.results.training_run import POLL
from eulerstack.training.loop.callback import WHOLE
from eulerstack.training.loop.directory import ALIVE, RunDirectory
from eulerstack.widgets.charts import LEFT, RIGHT, WIDTH
from tests.browser.conftest import START, Lab, Notebook
from tests.browser.test_notebook import LOAD

pytestmark = pytest.mark.slow

ENDLESS = "--steps 1000000 --length 64 --batch 4"
"""A run that is at work until it is told to stop."""


@pytest.fixture
def watched(lab: Lab) -> Iterator[RunDirectory]:
    """Where the notebook's run lies. It is stopped, however the test ends."""
    run = RunDirectory(lab.folder / f"watched-{lab.front}")
    yield run
    deadline = time.monotonic() + START
    while run.exists and run.state().status in ALIVE and time.monotonic() < deadline:
        run.say("stop")  # whatever else was said meanwhile
        time.sleep(POLL)


@pytest.mark.parametrize("lab", ["lab"], indirect=True)
def test_a_run_is_watched_steered_and_found_again_after_a_restart(lab: Lab, watched: RunDirectory):
    name = watched.path.name
    notebook = lab.open("monitor", "", "", "", "", "")
    notebook.write(0, LOAD)
    notebook.run(0)
    notebook.write(1, f"%eulerstack train arch_beginner_llama --twin {ENDLESS} --detach --run-dir {name}")
    notebook.run(1)
    notebook.write(2, f"%eulerstack monitor {name}")
    notebook.run(2)
    shown = notebook.cell(2)
    expect(_row(shown)).to_contain_text("running", timeout=START * 1000)
    expect(shown.locator("table.eulerstack:visible")).to_have_count(1)
    _wait_for_steps(shown, 20)
    shown.get_by_role("button", name="Pause").click()
    expect(_row(shown)).to_contain_text("paused")
    assert watched.state().status == "paused"
    paused = watched.state().step
    shown.get_by_role("button", name="Go on").click()
    expect(_row(shown)).to_contain_text("running")
    _wait_for_steps(shown, paused + 1)
    before = watched.state()

    _restart(notebook)
    assert watched.busy()
    notebook.write(3, LOAD)
    notebook.run(3)
    notebook.write(4, f"%eulerstack monitor {name}")
    notebook.run(4)
    again = notebook.cell(4)
    _wait_for_steps(again, before.step + 1)
    assert watched.state().pid == before.pid
    _check_whole(again)
    again.get_by_role("button", name="Stop").click()
    expect(_row(again)).to_contain_text("stopped")
    for word in ("Pause", "Go on", "Stop"):
        expect(again.get_by_role("button", name=word)).to_be_disabled()
    stopped = watched.state()
    assert (watched.checkpoints / f"checkpoint-{stopped.step}" / WHOLE).is_file()
    assert (watched.last / "model.safetensors").is_file()

    expect(again.locator("[class$=-static] table.eulerstack tr").last).to_contain_text("stopped")
    notebook.save()
    _shut_down(notebook)
    notebook.close()
    static = lab.reopen("monitor").cell(4)
    expect(_row(static)).to_contain_text("stopped")
    expect(static.get_by_role("button", name="Stop")).to_have_count(0)
    expect(static.get_by_text("Error displaying widget")).to_be_hidden()
    expect(_row(static)).to_contain_text(f"{stopped.step:,} / ")
    _check_whole(static)


def _row(cell: Locator) -> Locator:
    return cell.locator(".jp-OutputArea-output table.eulerstack tr:visible").last


def _loss(cell: Locator) -> Locator:
    return cell.locator(".jp-OutputArea-output svg[role=img]:visible").first


def _wait_for_steps(cell: Locator, steps: int) -> None:
    """Until the picture of losses tells of so many steps."""
    reached = f"""cell => {{
        const told = /step ([\\d,]+)/.exec(cell.querySelector(".jp-OutputArea-output svg")?.textContent ?? "");
        return told !== null && Number(told[1].replaceAll(",", "")) >= {steps};
    }}"""
    cell.page.wait_for_function(reached, arg=cell.element_handle())


def _restart(notebook: Notebook) -> None:
    """Restart the kernel, and wait until the new one is there."""
    page = notebook.page
    notebook.cell(0).locator(".jp-InputPrompt").click()
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    page.keyboard.press("0")
    with page.expect_response(lambda answer: "/restart" in answer.url and answer.ok):
        page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()


def _shut_down(notebook: Notebook) -> None:
    """End the kernel, which otherwise waits for the notebook to be opened again."""
    page = notebook.page
    page.locator(".lm-MenuBar").get_by_text("Kernel", exact=True).click()
    with page.expect_response(lambda answer: answer.request.method == "DELETE" and answer.ok):
        page.get_by_role("menuitem", name="Shut Down Kernel").click()


def _check_whole(cell: Locator) -> None:
    """The line of training begins at the first step and ends at the last."""
    line = _loss(cell).locator("polyline").get_attribute("points") or ""
    ends = [float(point.split(",")[0]) for point in (line.split()[0], line.split()[-1])]
    assert ends[0] < LEFT + (WIDTH - LEFT - RIGHT) / 20
    assert ends[1] == WIDTH - RIGHT
