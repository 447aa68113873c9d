"""The playground in a real JupyterLab and a real Notebook 7: a prompt, the text as it comes, a look back, a stop."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab

pytestmark = pytest.mark.slow


def test_a_prompt_is_answered_looked_at_and_stopped(lab: Lab):
    notebook = lab.open("playground", "%load_ext eulerstack\n%eulerstack lang en", "")
    notebook.run(0)
    notebook.write(1, "%eulerstack play arch_expert_reasoning_r1 --twin --out play")
    shown = notebook.run(1).first  # the controls; the static form is hidden behind them
    expect(shown.locator("textarea")).to_have_value("def ")
    write = shown.locator("button", has_text="Write")
    write.press("Enter")
    expect(shown.get_by_role("status")).to_contain_text(re.compile(r"[0-9]+ tokens · .* cache [0-9.]+ KiB"))
    expect(write).to_be_enabled()
    expect(shown.get_by_text(re.compile("think [0-9]+ / 128"))).to_be_visible()
    expect(shown.locator("svg[role=img]")).to_have_attribute("aria-label", re.compile("Cache"))
    expect(shown.get_by_text("◀ drawn")).to_be_visible()
    shown.locator("textarea").fill("x" * 400)
    write.click()
    expect(shown).to_contain_text("Fix: write a prompt of 1 to 255 tokens")
    shown.locator("textarea").fill("class ")
    write.click()
    shown.locator("button", has_text="Stop").click()
    expect(write).to_be_enabled()
    notebook.close()
