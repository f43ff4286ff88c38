"""The Python apps that are measured, each served by uvicorn; settings come from the environment."""
