"""`python -m eulerstack.cli`."""

import sys

from eulerstack.cli import main

if __name__ == "__main__":
    sys.exit(main())
