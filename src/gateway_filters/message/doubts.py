"""What is odd about a credential that a header could carry: it is sent, and somebody is told.

A value is never refused for its looks, since nobody knows all the forms that providers give their keys; what a
header cannot carry is another matter (``Secret``).
"""

import re
from collections.abc import Iterator

from gateway_filters.message.secret import Secret

_SCHEME = re.compile(r"^[A-Za-z]+ +")

# Whole values that people write until they have a key.
_PLACEHOLDER = re.compile(
    r"""
    <.*> | \$\{.*\} | \$\(.*\) | \{\{.*\}\} | \[.*\] | \$[A-Z_]+ | %[A-Z_]+%   # what a template was to fill in
    | .*(?:\.\.\.|x{4,}|\*{3,}).*                                              # sk-..., sk-xxxx, ****
    | (?:sk-|key-|token-)?x{3,}
    | .*change[-_\ ]?me.* | .*replace[-_\ ]?(?:me|this|with).* | .*place[-_]?holder.*
    | .*(?:your|my|insert|put|enter)[-_\ ](?:\w+[-_\ ])*(?:key|token|secret|credential)(?:[-_\ ]here)?.*
    | (?:to[-_]?do|tbd|fix[-_]?me|dummy|example|secret|password|token|api[-_]?key|key|none|null|undefined|test)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def doubts(secret: Secret, header: str) -> Iterator[str]:
    """What is odd about ``secret`` as a value of ``header``, as ends of sentences that do not show it.

    An Authorization begins with a scheme (RFC 9110 11.4); blanks round a value are never sent (RFC 9110 5.5).
    """
    if secret.trimmed:
        yield "has blanks or line ends round it, which are not sent"
    value = secret.reveal().decode("ascii")
    if header.lower() == "authorization" and " " not in value:
        yield f"has no scheme in front, as {header} asks for: Bearer, say"
    if _PLACEHOLDER.fullmatch(_SCHEME.sub("", value)):
        yield "looks like a placeholder"
