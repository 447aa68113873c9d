"""What the pipeline's commands give back. Each result shows itself: text in a terminal, HTML in a notebook, a dict."""
