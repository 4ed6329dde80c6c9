# Not yet run. docker build -t divulge . && docker run --rm divulge
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip wheel --no-cache-dir --no-deps -w /wheels /source

FROM python:3.12-slim
COPY --from=build /wheels /wheels
COPY constraints.txt /
RUN pip install --no-cache-dir -c /constraints.txt /wheels/*.whl \
 && rm -r /wheels && useradd --create-home divulge
USER divulge
WORKDIR /home/divulge
ENTRYPOINT ["divulge"]
CMD ["reconstruct"]
