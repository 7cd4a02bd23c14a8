# One static binary, and nothing else to look after: no shell, no package manager.
#   docker build --tag tidemark:local .
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -ldflags "-s -w -X github.com/tidemark-streams/tidemark/internal/cli.Version=${VERSION}" -o /out/tidemark ./cmd/tidemark
# For a first replay; `docker run --volume ./dataset:/dataset:ro` puts other files in its place.
RUN /out/tidemark generate --orders 20000 --out /out/dataset
# Folders that the process may write to: volumes take their owner from here.
RUN mkdir /out/state /out/tmp && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tidemark /tidemark
COPY --from=build /out/dataset /dataset
COPY --from=build --chown=65532:65532 /out/state /state
COPY --from=build --chown=65532:65532 /out/tmp /tmp
ENV TIDEMARK_STATE_DIR=/state TIDEMARK_DATASET_DIR=/dataset
USER 65532:65532
ENTRYPOINT [ "/tidemark" ]
CMD [ "--help" ]
