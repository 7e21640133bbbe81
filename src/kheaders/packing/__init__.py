"""Making the archive: a kernel's headers, from trees or packages, as its own script would pack them."""
