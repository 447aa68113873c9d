"""`python -m eulerstack`."""

import sys

from eulerstack.cli import main

if __name__ == "__main__":
    sys.exit(main())
