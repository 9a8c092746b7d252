# The cloud: the base with the shadow attached, on a processor. From the repository's root:
#   docker build -f deploy/cloud.Dockerfile -t shadowdog-cloud .
# For releases, pin BASE by digest.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 shadowdog \
 && install -d -o shadowdog -g shadowdog /cache
ENV PATH=/opt/shadowdog/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SHADOWDOG_CACHE=/cache HF_HUB_OFFLINE=1

FROM python AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends make python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY requirements ./requirements
RUN make install-cloud-packages INTO=/opt/shadowdog
COPY shared ./shared
COPY edge_agent ./edge_agent
COPY cloud_server ./cloud_server
COPY models ./models
RUN make install-cloud INTO=/opt/shadowdog

FROM python
COPY --from=build /opt/shadowdog /opt/shadowdog
USER 1000:1000
ENTRYPOINT ["cloud-server"]
CMD ["serve"]
