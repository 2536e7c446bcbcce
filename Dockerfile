# syntax=docker/dockerfile:1
# For a CPU:       docker build -t dreamvideo .
# For NVIDIA GPUs: docker build -t dreamvideo --build-arg BASE=nvidia/cuda:TAG --build-arg TORCH_INDEX= .
#                  with a TAG that ends in base-ubuntu24.04, and then docker run --gpus all
# A film:          docker run --rm -v "$PWD:/films" dreamvideo video film.mp4
ARG BASE=debian:trixie-slim
FROM ${BASE}

# Where torch is taken from: PyTorch's own index has it without gigabytes of CUDA. Empty: from the package index, with CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008  # whatever the base has
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

ENV PATH=/opt/dreamvideo/bin:$PATH \
    PIP_NO_CACHE_DIR=1
# hadolint ignore=DL3013
RUN python3 -m venv /opt/dreamvideo \
 && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision

COPY pyproject.toml README.md LICENSE /src/
COPY dreamvideo /src/dreamvideo
# There is no display in a container, and OpenCV with windows needs libraries of one.
# hadolint ignore=DL3013
RUN pip install /src \
 && pip uninstall -y opencv-python \
 && pip install opencv-python-headless \
 && rm -rf /src

RUN useradd --create-home --uid 10001 dreamer
USER 10001
WORKDIR /films
ENTRYPOINT ["dreamvideo"]
CMD ["--help"]
