"""WebSocket to upstreams: each hop speaks for itself, so pings, masks and closing are answered where they arrive."""
