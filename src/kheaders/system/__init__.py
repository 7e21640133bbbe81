"""The machine, and plain tools that know nothing of headers."""
