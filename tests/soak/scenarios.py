"""All scenarios, in the order of the page."""

from soak.aborts import DEPARTURES, LEAKS
from soak.changes import CHANGES
from soak.dead_provider import DEAD_PROVIDER
from soak.idle import IDLE
from soak.memory import MEMORY
from soak.mixups import MIXUPS
from soak.posts import POSTS
from soak.scenario import Scenario
from soak.slow_clients import SLOW_CLIENTS
from soak.storms import STORMS
from soak.truncation import TRUNCATION
from soak.uploads import UPLOADS

_ALL = (
    CHANGES,
    LEAKS,
    DEPARTURES,
    MEMORY,
    TRUNCATION,
    POSTS,
    STORMS,
    MIXUPS,
    SLOW_CLIENTS,
    DEAD_PROVIDER,
    UPLOADS,
    IDLE,
)

SCENARIOS: dict[str, Scenario] = {each.name: each for each in _ALL}
"""By name."""
