"""Side-by-side figures, a soak and a crash test; `make bench`, `make soak`, `make crash`."""
