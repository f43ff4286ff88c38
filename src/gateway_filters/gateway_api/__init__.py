"""Kubernetes words in, routes out. Knows neither httpx nor ASGI."""
