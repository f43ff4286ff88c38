"""Where the reference gateway's provider key is configured, if anywhere."""

from collections.abc import Mapping

from gateway_filters import DirectorySecrets, EnvSecret, MemorySecret, MemorySecrets, SecretStore

NAME = "bailian-credential"
"""The Secret that the manifests name; a mounted directory has a folder of this name."""

PLACEHOLDER = MemorySecrets({NAME: MemorySecret("Bearer stand-in-key-that-opens-nothing")})
"""What is injected while no key is configured: the stand-in provider shows its fingerprint."""


def store(environ: Mapping[str, str]) -> SecretStore | None:
    """The key's store as the environment says: a mounted directory first, then ``DASHSCOPE_API_KEY``; or None.

    Raises ``ConfigurationError`` for a key that no header can carry.
    """
    if environ.get("GATEWAY_FILTERS_SECRETS"):
        return DirectorySecrets(environ["GATEWAY_FILTERS_SECRETS"])
    if environ.get("DASHSCOPE_API_KEY"):
        return MemorySecrets({NAME: EnvSecret("DASHSCOPE_API_KEY", scheme="Bearer")})
    return None
