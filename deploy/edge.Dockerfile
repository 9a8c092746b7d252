# The edge agent and the mock robot: no torch, no transformers. Build from the repository's root:
#   docker build -f deploy/edge.Dockerfile -t shadowdog-edge .
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SHADOWDOG_CACHE=/cache
WORKDIR /app
COPY pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY requirements ./requirements
COPY shared ./shared
COPY edge_agent ./edge_agent
COPY cloud_server ./cloud_server
RUN pip install '.[edge,simulation,telemetry]' \
 && pip install --no-deps -r requirements/robot.txt \
 && ! pip show torch transformers 2>/dev/null \
 && useradd --create-home --uid 1000 shadowdog \
 && mkdir /cache && chown shadowdog /cache
USER shadowdog
ENTRYPOINT ["edge-agent"]
CMD ["run"]
