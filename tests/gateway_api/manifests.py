"""The reference route's manifests as text, to be changed in one place for a test."""

from pathlib import Path

SECRET = """
apiVersion: v1
kind: Secret
metadata:
  name: bailian-credential
data:
  credential: QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5
"""

_FOLDER = Path(__file__).parents[2] / "reference_app" / "manifests"
ROUTE = "\n---\n".join(file.read_text() for file in sorted(_FOLDER.glob("*.yaml")))
ALL = f"{ROUTE}\n---{SECRET}"


def changed(old: str, new: str, text: str = ALL) -> str:
    """``text`` with one thing changed, which must be in it."""
    assert old in text
    return text.replace(old, new, 1)
