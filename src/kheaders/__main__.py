"""``python -m kheaders``."""

from __future__ import annotations

from kheaders.cli.main import entry

if __name__ == "__main__":
    entry()
