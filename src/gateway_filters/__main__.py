"""``python -m gateway_filters``."""

import sys

from gateway_filters.cli import main

sys.exit(main())
