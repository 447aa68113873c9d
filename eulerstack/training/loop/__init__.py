"""The training loop: what a run is asked, where it lives, and how it runs."""
