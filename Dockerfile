# The image: a test-mail sink as it is, a relay with an account (README, "In a container").
#   docker build -t smtp-oauth-relay .
#   docker run -p 127.0.0.1:2525:2525 -p 127.0.0.1:8025:8025 smtp-oauth-relay

FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# What changes seldom comes first. The environment gets no pip: nothing is installed in it later.
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/relay \
    && python -m pip --python /opt/relay/bin/python install --require-hashes -r requirements/run.txt \
    && python -m pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY relay relay
RUN python -m pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /dist . \
    && python -m pip --python /opt/relay/bin/python install --no-deps --no-index /dist/*.whl

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="smtp-oauth-relay" \
    org.opencontainers.image.description="A local SMTP relay that sends on with OAuth, and a test-mail sink" \
    org.opencontainers.image.licenses="MIT"
# The newest list of authorities is wanted, whatever its version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 relay \
    && useradd --uid 10001 --gid relay --no-create-home --home-dir /var/lib/smtp-oauth-relay --shell /usr/sbin/nologin relay \
    && install -d -o relay -g relay -m 0700 /var/lib/smtp-oauth-relay
COPY --from=build /opt/relay /opt/relay
# Inside the container the relay listens on every interface; from outside only what -p publishes can be reached. These
# stand in the environment so that a file mounted at /etc/smtp-oauth-relay/relay.toml need not repeat them. AUTH is taken
# without TLS, as that network ends on this host: publish beyond 127.0.0.1 only with TLS (docs/container.md).
ENV RELAY_STATE_FOLDER=/var/lib/smtp-oauth-relay \
    RELAY_LISTENERS__SMTP__BIND=0.0.0.0:2525,0.0.0.0:1025 \
    RELAY_LISTENERS__SMTP__REQUIRE_TLS=false \
    RELAY_WEB__BIND=0.0.0.0:8025
USER 10001:10001
VOLUME ["/var/lib/smtp-oauth-relay"]
# 1025 is where test harnesses that know Mailpit send to.
EXPOSE 2525 8025 1025
# The page may have a certificate (web.certificate), of whatever name: this asks whether it lives, not who it is.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["/opt/relay/bin/python", "-c", "import ssl\nfrom http.client import HTTPConnection, HTTPException, HTTPSConnection\ndef ask(page):\n    page.request('GET', '/livez')\n    return page.getresponse().status\ntry:\n    status = ask(HTTPConnection('127.0.0.1', 8025, timeout=2))\nexcept (OSError, HTTPException):\n    status = ask(HTTPSConnection('127.0.0.1', 8025, timeout=2, context=ssl._create_unverified_context()))\nraise SystemExit(status != 200)"]
ENTRYPOINT ["/opt/relay/bin/relay"]
CMD ["serve"]
