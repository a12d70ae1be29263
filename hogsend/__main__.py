"""``python -m hogsend``."""

from __future__ import annotations

import sys

from hogsend.entry import main

if __name__ == "__main__":
    sys.exit(main())
