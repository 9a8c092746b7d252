# vLLM with the attached model's plugin, on an NVIDIA GPU. From the repository's root:
#   docker build -f deploy/vllm.Dockerfile -t shadowdog-vllm .
ARG VLLM=docker.io/vllm/vllm-openai:v0.32.0
FROM ${VLLM}
COPY pyproject.toml README.md LICENSE THIRD_PARTY.md /src/
COPY shared /src/shared
COPY edge_agent /src/edge_agent
COPY cloud_server /src/cloud_server
# vLLM has what the plugin needs; nothing of its environment is replaced.
RUN python3 -m pip install --no-cache-dir --no-deps /src \
 && useradd --create-home --uid 1000 shadowdog
USER 1000:1000
WORKDIR /home/shadowdog
ENTRYPOINT ["python3", "-m", "cloud_server.vllm_plugin.serve"]
