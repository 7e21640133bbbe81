"""Where forms live: bytes under keys, boot-scoped or persistent, that only root or their owner can have written."""

from kheaders.store.areas import DEFAULT_LIMIT
from kheaders.store.entries import Cleared, Entry
from kheaders.store.store import Store

__all__ = ["DEFAULT_LIMIT", "Cleared", "Entry", "Store"]
