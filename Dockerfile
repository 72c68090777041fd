# Two images of one service: `cpu` brings its own Triton, `gpu` stands on NVIDIA's.
#
#   docker build --target cpu -t triologue:cpu .
#   docker build --target gpu -t triologue:gpu .
#
# To pin a base, give it with its digest: --build-arg CPU_BASE=docker.io/library/debian@sha256:...
ARG CPU_BASE=docker.io/library/debian:bookworm-slim
ARG GPU_BASE=nvcr.io/nvidia/tritonserver:25.09-py3

# --- tools that are in no image

FROM ${CPU_BASE} AS cpu-python
# Triton's stubs load libpython.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libpython3.11 python3 \
    && rm -rf /var/lib/apt/lists/*

FROM ${GPU_BASE} AS gpu-python

FROM cpu-python AS cpu-uv
ARG UV=0.13.9
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir uv==${UV}

FROM gpu-python AS gpu-uv
ARG UV=0.13.9
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir uv==${UV}

# --- what the lock names, in an environment that changes only when the lock does; compiled, since where nothing can be
# written every process would compile it anew

FROM cpu-uv AS cpu-locked
# PyTorch's own index has it without CUDA, which is 3 GB less; PyPI has it with CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /build
COPY pyproject.toml uv.lock ./
COPY client/pyproject.toml client/
COPY server/pyproject.toml server/
RUN /opt/uv/bin/uv export --quiet --locked --no-dev --no-emit-workspace --package triologue-server > locked.txt \
    && /opt/uv/bin/uv export --quiet --locked --no-dev --no-emit-workspace --package triologue-server \
        --prune torch --prune torchaudio > others.txt \
    && /opt/uv/bin/uv venv --quiet --python /usr/bin/python3 /opt/triologue \
    && /opt/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/triologue \
        --index ${TORCH_INDEX} --index-strategy unsafe-best-match \
        --requirements others.txt --constraints locked.txt torch torchaudio

FROM gpu-uv AS gpu-locked
WORKDIR /build
COPY pyproject.toml uv.lock ./
COPY client/pyproject.toml client/
COPY server/pyproject.toml server/
RUN UV_PROJECT_ENVIRONMENT=/opt/triologue /opt/uv/bin/uv sync --quiet --locked --no-dev --no-cache --compile-bytecode \
        --python /usr/bin/python3 --no-install-workspace --package triologue-server --extra gpu

# --- our own packages

FROM cpu-uv AS packages
WORKDIR /build
COPY client client
COPY server server
RUN /opt/uv/bin/uv build --quiet --wheel --out-dir /wheels client \
    && /opt/uv/bin/uv build --quiet --wheel --out-dir /wheels server

# --- the images

FROM cpu-python AS cpu
COPY --from=cpu-locked /opt/triologue /opt/triologue
RUN --mount=type=bind,from=cpu-uv,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,from=packages,source=/wheels,target=/wheels \
    /opt/uv/bin/uv pip install --quiet --no-cache --no-deps --compile-bytecode --python /opt/triologue /wheels/*.whl
# What the weights are kept in: a volume, or with WITH_MODELS=yes a layer.
ARG WITH_MODELS=no
ENV PATH=/opt/triologue/bin:$PATH \
    HOME=/tmp \
    TRIOLOGUE_HOST=0.0.0.0 \
    TRIOLOGUE_MODELS=/models \
    TRIOLOGUE_MODEL_REPOSITORY=/opt/model_repository \
    TRIOLOGUE_PROFILE=embedded
COPY model_repository /opt/model_repository
RUN --mount=type=secret,id=hf_token \
    install -d -o 10001 -g 10001 /models \
    && if [ "$WITH_MODELS" = yes ]; then \
        HF_TOKEN="$(cat /run/secrets/hf_token 2>/dev/null || true)" triologue-server models fetch; \
    fi
USER 10001:10001
EXPOSE 8000 8001 8002
HEALTHCHECK --start-period=10m --interval=10s --timeout=10s CMD ["python3", "-c", "from urllib.request import urlopen; \
urlopen('http://127.0.0.1:8000/v2/models/diarized_asr_stream/ready', timeout=8)"]
ENTRYPOINT ["triologue-server"]
CMD ["serve", "--fetch"]

FROM gpu-python AS gpu
COPY --from=gpu-locked /opt/triologue /opt/triologue
RUN --mount=type=bind,from=gpu-uv,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,from=packages,source=/wheels,target=/wheels \
    /opt/uv/bin/uv pip install --quiet --no-cache --no-deps --compile-bytecode --python /opt/triologue /wheels/*.whl
ARG WITH_MODELS=no
ENV PATH=/opt/triologue/bin:$PATH \
    HOME=/tmp \
    TRIOLOGUE_HOST=0.0.0.0 \
    TRIOLOGUE_MODELS=/models \
    TRIOLOGUE_MODEL_REPOSITORY=/opt/model_repository \
    TRIOLOGUE_PROFILE=gpu
COPY model_repository /opt/model_repository
RUN --mount=type=secret,id=hf_token \
    install -d -o 10001 -g 10001 /models \
    && if [ "$WITH_MODELS" = yes ]; then \
        HF_TOKEN="$(cat /run/secrets/hf_token 2>/dev/null || true)" triologue-server models fetch; \
    fi
USER 10001:10001
EXPOSE 8000 8001 8002
HEALTHCHECK --start-period=10m --interval=10s --timeout=10s CMD ["python3", "-c", "from urllib.request import urlopen; \
urlopen('http://127.0.0.1:8000/v2/models/diarized_asr_stream/ready', timeout=8)"]
ENTRYPOINT ["triologue-server"]
CMD ["serve", "--fetch"]
