"""``python -m kheaders``."""

from __future__ import annotations

from kheaders.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
