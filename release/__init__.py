"""What goes out with a release: what is needed to run it, as a bill of materials and as a lock with hashes."""
