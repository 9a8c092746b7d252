# The edge: no torch, no transformers. From the repository's root, by target:
#   docker build -f deploy/edge.Dockerfile --target simulation -t shadowdog-edge .        agent and mock robot
#   docker build -f deploy/edge.Dockerfile --target robot      -t shadowdog-edge-robot .  a real dog's DDS
# Debian 12 because its Cyclone DDS is the 0.10 that a real Go2 speaks. For releases, pin BASE by digest.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates espeak-ng python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 shadowdog \
 && install -d -o shadowdog -g shadowdog /cache /state
ENV PATH=/opt/shadowdog/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SHADOWDOG_CACHE=/cache XDG_STATE_HOME=/state

FROM python AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends make python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY requirements ./requirements

FROM tools AS simulation-build
RUN make install-edge-packages INTO=/opt/shadowdog
COPY shared ./shared
COPY edge_agent ./edge_agent
COPY cloud_server ./cloud_server
RUN make install-edge INTO=/opt/shadowdog

FROM tools AS robot-build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cyclonedds-dev cyclonedds-tools gcc python3-dev \
 && rm -rf /var/lib/apt/lists/*
RUN make install-robot-packages INTO=/opt/shadowdog
COPY shared ./shared
COPY edge_agent ./edge_agent
COPY cloud_server ./cloud_server
RUN make install-robot INTO=/opt/shadowdog

FROM python AS robot
RUN apt-get update \
 && apt-get install -y --no-install-recommends alsa-utils libddsc0debian libportaudio2 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=robot-build /opt/shadowdog /opt/shadowdog
USER 1000:1000
ENTRYPOINT ["edge-agent"]
CMD ["run"]

FROM python AS simulation
COPY --from=simulation-build /opt/shadowdog /opt/shadowdog
USER 1000:1000
ENTRYPOINT ["edge-agent"]
CMD ["run"]
