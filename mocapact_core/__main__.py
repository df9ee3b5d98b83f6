"""`python -m mocapact_core`"""

import sys

from mocapact_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
