# The cloud: the base with the shadow attached. Build from the repository's root:
#   docker build -f deploy/cloud.Dockerfile -t shadowdog-cloud .
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SHADOWDOG_CACHE=/cache
WORKDIR /app
COPY requirements ./requirements
RUN python requirements/install_torch.py
COPY pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY shared ./shared
COPY edge_agent ./edge_agent
COPY cloud_server ./cloud_server
COPY models ./models
RUN pip install --editable '.[cloud,telemetry]' \
 && useradd --create-home --uid 1000 shadowdog \
 && mkdir /cache && chown shadowdog /cache
USER shadowdog
# The first start converts the base and exports the edge's bundle into the volume at /cache.
CMD ["sh", "-c", "cloud-server prepare --if-needed && cloud-server export-edge --if-needed && exec cloud-server serve"]
