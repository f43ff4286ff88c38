"""Our gateway against its peers, on loopback, one core each; ``scripts/benchmark`` starts it."""
