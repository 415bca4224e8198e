FROM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=${VERSION:-$(cat VERSION)} -X main.commit=$COMMIT" -o /server ./cmd/server

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="orgd" \
      org.opencontainers.image.description="The organizations service: a REST API on PostgreSQL" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /server /server
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s --retries=3 CMD ["/server", "healthcheck"]
ENTRYPOINT ["/server"]
CMD ["serve"]
