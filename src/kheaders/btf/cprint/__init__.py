"""BTF printed as C: a whole vmlinux.h, or what some types need, in an order that compiles."""
