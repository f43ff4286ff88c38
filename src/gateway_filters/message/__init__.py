"""The values of one exchange: heads, header pairs, raw paths, secrets. Standard library only, no I/O."""
