"""The real ``openai`` client through the gateway, as an application would use it."""

from collections.abc import Iterator

import openai
import pytest
from answers import ANSWER, answer
from certificates import HOST
from gateway_process import CREDENTIAL, GatewayProcess
from openai.types.chat import ChatCompletionMessageParam
from provider import Provider

MODEL = "qwen3-32b"
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a gateway?"}]


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    """The synchronous client, with a key that means nothing."""
    with openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="unused", max_retries=0) as client:
        yield client


def _asynchronous(gateway: GatewayProcess) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="unused", max_retries=0)


def _assert_arrived(provider: Provider) -> None:
    arrived = provider.only_exchange()
    assert arrived.request.target == b"/compatible-mode/v1/chat/completions"
    assert arrived.request.values(b"host") == [HOST.encode()]
    assert arrived.request.values(b"authorization") == [CREDENTIAL]


def test_the_client_gets_a_completion(client: openai.OpenAI, provider: Provider) -> None:
    """The verification request of the seed gets its chat.completion, with usage."""
    completion = client.chat.completions.create(model=MODEL, messages=MESSAGES, extra_body={"enable_thinking": False})
    assert completion.object == "chat.completion"
    assert completion.choices[0].message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 15
    _assert_arrived(provider)
    assert b'"enable_thinking":false' in bytes(provider.only_exchange().body).replace(b" ", b"")


def test_the_client_gets_a_stream(client: openai.OpenAI, provider: Provider) -> None:
    """A streamed completion comes in the provider's pieces and ends at [DONE]."""
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream:
        pieces = [chunk.choices[0].delta.content for chunk in stream]
    assert pieces == [word + " " for word in ANSWER.split()] + [None]
    _assert_arrived(provider)


async def test_the_async_client_gets_a_completion(gateway: GatewayProcess, provider: Provider) -> None:
    """The asynchronous client gets the same."""
    async with _asynchronous(gateway) as client:
        completion = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert completion.choices[0].message.content == ANSWER
    _assert_arrived(provider)


async def test_the_async_client_gets_a_stream(gateway: GatewayProcess, provider: Provider) -> None:
    """The asynchronous client gets the same stream."""
    async with (
        _asynchronous(gateway) as client,
        await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True) as stream,
    ):
        pieces = [chunk.choices[0].delta.content async for chunk in stream]
    assert pieces == [word + " " for word in ANSWER.split()] + [None]
    _assert_arrived(provider)


def test_the_client_understands_the_providers_errors(client: openai.OpenAI, provider: Provider) -> None:
    """An error of the provider raises the client's own exception, with the provider's words."""
    provider.script = answer(
        429, b'{"error": {"message": "slow down", "type": "limit"}}', ("content-type", "application/json")
    )
    with pytest.raises(openai.RateLimitError, match="slow down"):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


def test_the_client_understands_the_gateways_errors(
    client: openai.OpenAI, gateway: GatewayProcess, refused_port: int
) -> None:
    """An error of the gateway has the shape that the client takes its message from."""
    gateway.send_to(refused_port)
    with pytest.raises(openai.InternalServerError, match=r"The upstream could not be reached\.") as raised:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (raised.value.status_code, raised.value.type) == (503, "upstream_unreachable")
