"""A button that puts a text on the reader's clipboard: that is the browser's, so the button is the browser's too."""

from html import escape

from eulerstack.widgets.view import label

# execCommand works where navigator.clipboard does not: on a plain http address, and inside frames.
_COPY = (
    "const t=this.parentElement.querySelector('textarea');"
    "t.hidden=false;t.select();document.execCommand('copy');t.hidden=true;"
    "this.nextElementSibling.textContent=this.dataset.done"
)


def copy_button(key: str, text: str) -> str:
    """HTML of a button named by the text `key` that copies `text` and then says so."""
    name, done = escape(label(key)), escape(label("copy.done"))
    return (
        f'<span style="margin-right:8px"><button type="button" class="jupyter-button" style="width:auto" '
        f'data-done="✓ {done}" onclick="{escape(_COPY)}">{name}</button>'
        f'<span role="status" aria-live="polite"></span>'
        f'<textarea hidden readonly aria-hidden="true">{escape(text)}</textarea></span>'
    )
