# The chapters in JupyterLab, on Debian's Python, for x86-64 and 64-bit ARM:
#   docker build -t d2l-gan .
#   docker run --rm -it -p 127.0.0.1:8888:8888 d2l-gan
FROM debian:bookworm-slim AS system
ARG PACKAGES=
RUN apt-get update \
    && case $(dpkg --print-architecture) in \
        amd64) libraries=libquadmath0 ;; \
        *) libraries='libopenblas0-pthread liblapacke' ;; \
    esac \
    && apt-get install -y --no-install-recommends ca-certificates libgomp1 python3 $libraries $PACKAGES \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*

# What installs stays behind in this stage.
FROM system AS install
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install uv
ARG EXTRAS="notebook xla"
COPY setup.py ./
COPY d2l_gan/__init__.py d2l_gan/
RUN python3 -m venv --without-pip /opt/gan \
    && /opt/uv/bin/uv pip install --no-cache --compile-bytecode --python /opt/gan/bin/python \
        -r setup.py $(printf -- '--extra %s ' $EXTRAS)

FROM system
COPY --from=install /opt/gan /opt/gan
ENV PATH=/opt/gan/bin:$PATH PYTHONPATH=/gan
RUN useradd --create-home --uid 1000 reader && install -d -o reader /gan /gan/build
COPY --chown=reader . /gan
WORKDIR /gan
RUN python -m d2l_gan.arm
USER reader
EXPOSE 8888
# All addresses of the container are one: who may reach it is what `docker run -p` says. The token
# is new at each start.
CMD python .ci/notebooks.py chapters/[a-z]*.py \
    && exec python -m jupyterlab --config=.ci/jupyter.py --ServerApp.ip=0.0.0.0 --ServerApp.root_dir=. \
        --LabApp.default_url=/lab/tree/build/notebooks --no-browser
