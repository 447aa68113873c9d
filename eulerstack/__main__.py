"""`python -m eulerstack`."""

from eulerstack.cli import run

if __name__ == "__main__":
    run()
