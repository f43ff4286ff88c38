"""What is sent and answered: the same for every peer."""

KEY = "benchmark-key"
AUTHORIZATION = f"Bearer {KEY}"
REWRITTEN = "/compatible-mode/v1"
HOSTNAME = "upstream.benchmark.internal"
"""The name that requests upstream carry, and the one in the upstream's certificate."""

CHAT = "/v1/chat/completions"
EVENTS = "/v1/events"
SLOW = "/v1/slow"
UPLOAD = "/v1/upload"
DOWNLOAD = "/v1/download"

QUESTION = b'{"model": "qwen3-32b", "messages": [{"role": "user", "content": "Who are you today?"}]}'.ljust(88)
ANSWER = (
    b'{"id": "chatcmpl-benchmark", "object": "chat.completion", "created": 1795403213, "model": "qwen3-32b", '
    b'"choices": [{"index": 0, "message": {"role": "assistant", "content": "' + b"I am a benchmark. " * 11 + b'"}, '
    b'"finish_reason": "stop", "logprobs": null}], '
    b'"usage": {"prompt_tokens": 6, "completion_tokens": 14, "total_tokens": 20}}'
).ljust(500)
EVENT = b'data: {"choices": [{"delta": {"content": "'.ljust(163, b"x") + b'"}}]}\n\n'
EVENT_COUNT = 50
LARGE = 10_000_000


def routed(number: int) -> str:
    """The path that route ``number`` of many takes, as the client calls it."""
    return f"/tenant-{number}{CHAT}"
