"""`python -m eulerstack.cli`."""

from eulerstack.cli import run

if __name__ == "__main__":
    run()
