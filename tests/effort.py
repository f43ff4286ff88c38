"""How much the tests try: with ``GATEWAY_FILTERS_LONG=1`` what is generated is generated many times over."""

import os

LONG = os.environ.get("GATEWAY_FILTERS_LONG", "") not in ("", "0")
