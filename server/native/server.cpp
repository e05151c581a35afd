#include "server.h"

#include <gerank/engine.h>
#include <gerank/ranker.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "front.h"
#include "number_options.h"

struct GerankServer {
  std::unique_ptr<gerank::Engine> engine;
  std::unique_ptr<gerank::server::Front> front;  // ends before the engine
};

namespace {

using gerank::Status;

void copy(const std::string& text, char* out, std::size_t size) {
  if (size == 0) return;
  const std::size_t length = std::min(text.size(), size - 1);
  std::memcpy(out, text.data(), length);
  out[length] = 0;
}

int tell(const Status& status, char* error, std::size_t error_size) {
  copy(status.message(), error, error_size);
  return int(status.code());
}

// The options have one type, those of the engine and of the front narrower ones: checked before.
Status check(const GerankServerOptions& options) {
  for (const auto& option : gerank::server::kNumberOptions) {
    Status status = option.range.check(option.name, options.*option.field);
    if (!status.ok()) return status;
  }
  return {};
}

gerank::EngineOptions engine_options(const GerankServerOptions& options) {
  gerank::EngineOptions engine;
  engine.workers = int(options.workers);
  engine.intra_op_threads = int(options.intra_op_threads);
  engine.max_batch = std::size_t(options.max_batch);
  engine.max_batch_candidates = std::size_t(options.max_batch_candidates);
  engine.max_delay = gerank::Microseconds(options.max_delay_us);
  engine.max_queue = std::size_t(options.max_queue);
  engine.max_queries = std::size_t(options.max_queries);
  engine.unknown_features = options.ignore_unknown_features != 0 ? gerank::UnknownFeatures::kIgnore
                                                                 : gerank::UnknownFeatures::kRefuse;
  return engine;
}

std::string or_empty(const char* text) { return text != nullptr ? text : ""; }

gerank::server::FrontOptions front_options(const GerankServerOptions& options) {
  gerank::server::FrontOptions front;
  front.address = options.address;
  front.threads = int(options.threads);
  front.max_message_bytes = int(options.max_message_bytes);
  front.max_calls_per_connection = int(options.max_calls_per_connection);
  front.max_header_bytes = int(options.max_header_bytes);
  front.buffer_bytes = options.buffer_bytes;
  front.connection_buffer_bytes = options.connection_buffer_bytes;
  front.keepalive = std::chrono::seconds(options.keepalive_s);
  front.keepalive_timeout = std::chrono::seconds(options.keepalive_timeout_s);
  front.max_connection_age = std::chrono::seconds(options.max_connection_age_s);
  front.tls_certificate = or_empty(options.tls_certificate);
  front.tls_key = or_empty(options.tls_key);
  front.tls_client_ca = or_empty(options.tls_client_ca);
  front.token_file = or_empty(options.token_file);
  front.plaintext = options.plaintext != 0;
  return front;
}

}  // namespace

void gerank_server_defaults(GerankServerOptions* options) {
  const gerank::EngineOptions engine;
  const gerank::server::FrontOptions front;
  options->threads = front.threads;
  options->max_message_bytes = front.max_message_bytes;
  options->max_calls_per_connection = front.max_calls_per_connection;
  options->max_header_bytes = front.max_header_bytes;
  options->buffer_bytes = front.buffer_bytes;
  options->connection_buffer_bytes = front.connection_buffer_bytes;
  options->keepalive_s = front.keepalive.count();
  options->keepalive_timeout_s = front.keepalive_timeout.count();
  options->max_connection_age_s = front.max_connection_age.count();
  options->workers = engine.workers;
  options->intra_op_threads = engine.intra_op_threads;
  options->max_batch = std::int64_t(engine.max_batch);
  options->max_batch_candidates = std::int64_t(engine.max_batch_candidates);
  options->max_delay_us = engine.max_delay.count();
  options->max_queue = std::int64_t(engine.max_queue);
  options->max_queries = std::int64_t(engine.max_queries);
  options->tls_certificate = options->tls_key = options->tls_client_ca = nullptr;
  options->token_file = nullptr;
  options->plaintext = front.plaintext;
  options->ignore_unknown_features = 0;
}

int gerank_server_range(const char* option, std::int64_t* low, std::int64_t* high) {
  for (const auto& known : gerank::server::kNumberOptions) {
    if (std::strcmp(known.name, option) != 0) continue;
    *low = known.range.low;
    *high = known.range.high;
    return 0;
  }
  return int(gerank::Code::kNotFound);
}

int gerank_server_start(const GerankServerOptions* options, GerankServer** server, char* error,
                        std::size_t error_size) {
  Status status = check(*options);
  if (!status.ok()) return tell(status, error, error_size);
  gerank::Engine::drop_model_prints();
  auto started = std::make_unique<GerankServer>();
  status = gerank::Engine::start(engine_options(*options), &started->engine);
  if (!status.ok()) return tell(status, error, error_size);
  status = gerank::server::Front::start(front_options(*options), *started->engine, &started->front);
  if (!status.ok()) return tell(status, error, error_size);
  *server = started.release();
  return 0;
}

int gerank_server_port(const GerankServer* server) { return server->front->port(); }

int gerank_server_load(GerankServer* server, const char* name, const char* path, char* error,
                       std::size_t error_size) {
  const Status status = server->engine->load(name, path);
  if (!status.ok()) return tell(status, error, error_size);
  server->front->set_serving(true);
  return 0;
}

void gerank_server_version(const GerankServer* server, const char* name, char* version,
                           std::size_t version_size) {
  const auto ranker = server->engine->find(name);
  copy(ranker ? ranker->model_version() : "", version, version_size);
}

void gerank_server_reload_credentials(GerankServer* server) { server->front->reload_credentials(); }

void gerank_server_leave(GerankServer* server) { server->front->set_serving(false); }

void gerank_server_stop(GerankServer* server, double grace_s) {
  const std::chrono::duration<double> grace(grace_s);
  server->front->stop(std::chrono::duration_cast<std::chrono::microseconds>(grace));
}

void gerank_server_free(GerankServer* server) { delete server; }
