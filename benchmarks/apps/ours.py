"""Our gateway under plain uvicorn, from the manifests that ``BENCHMARK_MANIFESTS`` names."""

import os

from gateway_filters import Gateway

app = Gateway.from_manifests(os.environ["BENCHMARK_MANIFESTS"])
