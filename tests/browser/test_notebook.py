"""A user's way through a notebook, in a real JupyterLab and a real Notebook 7 in Chromium."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab
from tests.magics.test_magic import SPEC, WRONG

pytestmark = pytest.mark.slow

LOAD = "%load_ext eulerstack"


def test_from_an_empty_notebook_to_a_compiled_model(lab: Lab):
    notebook = lab.open("new-user", "", "", "", "")
    notebook.write(0, LOAD)
    notebook.run(0)
    notebook.write(1, f"%%eulerstack --out mine\n{SPEC}")
    shown = notebook.run(1)
    folded, unfolded = shown.locator("summary svg[role=img]"), shown.locator("details > div svg[role=img]")
    expect(folded).to_be_visible()
    shown.locator("summary").press("Enter")
    expect(unfolded).to_be_visible()
    expect(unfolded).to_contain_text("1 · decoder")
    expect(folded).to_be_hidden()
    shown.locator("summary").click()
    expect(folded).to_be_visible()
    expect(unfolded).to_be_hidden()
    expect(shown.first).to_contain_text("gated_mlp")
    notebook.write(2, f"%eulerstack compile mine --output-dir mine-{lab.front} --out compiled")
    expect(notebook.run(2).last).to_contain_text("model.safetensors")
    notebook.write(3, "sorted(file.name for file in compiled.path.iterdir())[:3]")
    expect(notebook.run(3).last).to_contain_text("README.md")
    assert (lab.folder / f"mine-{lab.front}" / "config.json").is_file()
    notebook.close()


def test_completion_in_the_body(lab: Lab):
    notebook = lab.open("completion", LOAD, "")
    notebook.run(0)
    notebook.write(1, "%%eulerstack\nschema_version: 1\nmodel:\n  d_")
    offered = notebook.page.locator(".jp-Completer-item")
    notebook.page.keyboard.press("Tab")
    expect(offered.first).to_be_visible()
    expect(offered).to_have_count(2)
    expect(offered.filter(has_text="d_ff: ")).to_be_visible()
    offered.filter(has_text="d_model: ").click()
    expect(notebook.cell(1).locator(".cm-content")).to_contain_text("d_model: ")
    notebook.write(1, "64\n  dtype: bf")
    notebook.page.keyboard.press("Tab")
    offered.filter(has_text="bfloat16").click()
    expect(notebook.cell(1).locator(".cm-content")).to_contain_text("dtype: bfloat16")
    notebook.close()


def test_help_at_the_cursor(lab: Lab):
    notebook = lab.open("help", LOAD, "", "len")
    notebook.run(0)
    notebook.write(1, "%%eulerstack\nmodel:\n  dtype: bfloat16")
    told = notebook.help_at_the_cursor()
    expect(told).to_contain_text("float32 | float16 | bfloat16")
    expect(told).to_contain_text("%eulerstack schema model.dtype")
    expect(told.locator("b")).to_have_text("model.dtype")
    notebook.page.keyboard.press("Escape")
    notebook.write(2, "")
    expect(notebook.help_at_the_cursor()).to_contain_text("Return the number of items in a container")
    notebook.close()


def test_an_error_is_three_lines_and_a_caret(lab: Lab):
    notebook = lab.open("error", LOAD, f"%%eulerstack validate\n{WRONG}")
    notebook.run(0)
    told = notebook.run(1).last
    expect(told).to_contain_text("ValidationError: <cell>:9:29")
    expect(told).to_contain_text("Fix: did you mean 'activation'?")
    expect(told).to_contain_text(re.compile(r"\^~+"))
    assert "Traceback" not in told.inner_text()
    notebook.close()


def test_the_browser_of_presets(lab: Lab):
    notebook = lab.open("presets", LOAD, "browser = %eulerstack browse\nbrowser", "browser.marked")
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    expect(page.get_by_text("57 of 57 presets")).to_be_visible()
    expect(page.locator(".jp-OutputArea svg[role=img]")).to_be_visible()
    page.get_by_label("Mixer").select_option("retnet")
    page.get_by_label("Tier").select_option("2")
    expect(page.get_by_text(re.compile(r"^\d of 57 presets"))).to_be_visible()
    listed = page.locator(".widget-select select[size]")
    names = listed.locator("option").all_inner_texts()
    assert any(name.startswith("arch_advanced_retnet") for name in names)
    for index in (0, 1):
        listed.select_option(index=index)
        page.get_by_role("button", name="Mark to compare").click()
    expect(page.get_by_text("Marked: ")).to_contain_text(names[1].split()[0])
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("FLOPs per token, training").first).to_be_visible()
    expect(notebook.run(2).last).to_contain_text(names[0].split()[0])
    page.get_by_role("button", name="Copy as cell").click()
    expect(page.get_by_text("✓ copied")).to_be_visible()
    page.get_by_role("button", name="Open in editor").click()
    expect(page.locator(".eulerstack-yaml textarea")).to_be_visible()
    notebook.close()


def test_a_slider_of_the_editor_changes_the_model(lab: Lab):
    code = "editor = %eulerstack edit llm_0p1b_simple\neditor"
    notebook = lab.open("editor", LOAD, code, "editor.model.d_model, editor.spec is None")
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    text, numbers = page.locator(".eulerstack-yaml textarea"), page.locator(".jp-OutputArea table.eulerstack")
    expect(numbers).to_be_visible()
    before, yaml = numbers.inner_text(), text.input_value()
    if lab.front == "lab":
        handle = page.locator(".noUi-handle").first
        handle.focus()
        handle.press("ArrowRight")
    else:  # in Notebook 7 the arrow keys do not move a slider
        page.locator(".noUi-base").first.click()
    page.wait_for_function("([element, old]) => element.value !== old", arg=[text.element_handle(), yaml])
    expect(numbers).not_to_have_text(before)
    assert notebook.run(2).last.inner_text().endswith("False)")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("([element, old]) => element.value === old", arg=[text.element_handle(), yaml])
    text.fill(yaml.replace("positional: rope", "positional: ropes"))
    expect(page.get_by_text("did you mean 'rope'?")).to_be_visible()
    expect(page.locator(".eulerstack-lines b")).to_contain_text("✗")
    notebook.close()


def test_a_notebook_opened_again_without_its_kernel_shows_the_static_form(lab: Lab):
    notebook = lab.open("static", LOAD, "%eulerstack browse")
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    expect(page.get_by_text("57 of 57 presets")).to_be_visible()
    notebook.save()
    notebook.close()
    saved = lab.path("static").read_text("utf-8")
    assert "arch_beginner_llama" in saved
    assert "<svg" in saved
