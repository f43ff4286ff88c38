"""Where secrets come from: environment, mounted directory, memory, anything remote behind a cache."""

from gateway_filters.secrets.cached import CachedSecret
from gateway_filters.secrets.directory import DirectorySecret
from gateway_filters.secrets.env import EnvSecret
from gateway_filters.secrets.folder import DirectoryFolder, HoldsFolders, SecretFolder
from gateway_filters.secrets.memory import MemorySecret, MissingSecret
from gateway_filters.secrets.rolls import FolderRoll, JoinedRoll, MakeRoll, api_keys, htpasswd
from gateway_filters.secrets.store import DirectorySecrets, MemorySecrets, SecretStore
from gateway_filters.secrets.verified import VerifiedSecret

__all__ = [
    "CachedSecret",
    "DirectoryFolder",
    "DirectorySecret",
    "DirectorySecrets",
    "EnvSecret",
    "FolderRoll",
    "HoldsFolders",
    "JoinedRoll",
    "MakeRoll",
    "MemorySecret",
    "MemorySecrets",
    "MissingSecret",
    "SecretFolder",
    "SecretStore",
    "VerifiedSecret",
    "api_keys",
    "htpasswd",
]
