"""BTF: the types of a kernel, read, printed as C and compared."""
