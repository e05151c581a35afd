#include "server.h"

#include <gerank/engine.h>
#include <gerank/ranker.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "exposures/exposure_log.h"
#include "front.h"
#include "listening_address.h"
#include "log/log.h"
#include "metrics/metrics_listener.h"
#include "metrics/model_loads.h"
#include "options/toml_options.h"

struct GerankServer {
  std::unique_ptr<gerank::exposures::ExposureLog> exposures;  // null: none is kept
  std::unique_ptr<gerank::Engine> engine;
  std::unique_ptr<gerank::server::Front> front;  // ends before the engine
  gerank::server::ModelLoads loads;
  std::unique_ptr<gerank::server::MetricsListener> metrics;  // ends first; null: none
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

Status serve_metrics(const std::string& address, GerankServer* server) {
  std::string target;
  try {
    target = gerank::server::parse_listening_address(address).target;
  } catch (const std::exception& error) {
    return {gerank::Code::kInvalidArgument, std::string("metrics_address: ") + error.what()};
  }
  return gerank::server::MetricsListener::start(
      target, {*server->engine, *server->front, server->loads}, &server->metrics);
}

}  // namespace

int gerank_server_start(const char* options, GerankServer** server, char* error,
                        std::size_t error_size) {
  gerank::server::ServerOptions read;
  Status status = gerank::server::read_toml(options, &read);
  if (!status.ok()) return tell(status, error, error_size);
  gerank::server::Log::of_process().configure(read.log.level, read.log.format);
  gerank::Engine::drop_model_prints();
  auto started = std::make_unique<GerankServer>();
  status = gerank::Engine::start(read.engine, &started->engine);
  if (!status.ok()) return tell(status, error, error_size);
  if (!read.exposures.folder.empty()) {
    status = gerank::exposures::ExposureLog::start(read.exposures, &started->exposures);
    if (!status.ok()) return tell(status, error, error_size);
    read.front.exposures = started->exposures.get();
  }
  status = gerank::server::Front::start(read.front, *started->engine, &started->front);
  if (!status.ok()) return tell(status, error, error_size);
  if (!read.metrics_address.empty()) status = serve_metrics(read.metrics_address, started.get());
  if (!status.ok()) return tell(status, error, error_size);
  *server = started.release();
  return 0;
}

int gerank_server_listen(GerankServer* server, char* error, std::size_t error_size) {
  return tell(server->front->listen(), error, error_size);
}

int gerank_server_port(const GerankServer* server) { return server->front->port(); }

int gerank_server_metrics_port(const GerankServer* server) {
  return server->metrics ? server->metrics->port() : 0;
}

int gerank_server_load(GerankServer* server, const char* name, const char* path, char* error,
                       std::size_t error_size) {
  const auto began = std::chrono::steady_clock::now();
  const Status status = server->engine->load(name, path);
  server->loads.add(status.ok(), std::chrono::steady_clock::now() - began);
  if (!status.ok()) return tell(status, error, error_size);
  const auto ranker = server->engine->find(name);
  if (server->exposures && ranker) {
    server->exposures->describe(ranker->model_version(), ranker->contract_json());
  }
  server->front->set_serving(true);
  return 0;
}

void gerank_server_version(const GerankServer* server, const char* name, char* version,
                           std::size_t version_size) {
  const auto ranker = server->engine->find(name);
  copy(ranker ? ranker->model_version() : "", version, version_size);
}

bool gerank_server_exposures(const GerankServer* server, GerankServerExposures* exposures,
                             char* error, std::size_t error_size) {
  if (!server->exposures) return false;
  const gerank::exposures::ExposureStatistics counts = server->exposures->statistics();
  *exposures = {counts.written, counts.lost, counts.bytes, counts.files};
  copy(counts.last_error, error, error_size);
  return true;
}

void gerank_server_reload_credentials(GerankServer* server) { server->front->reload_credentials(); }

void gerank_server_leave(GerankServer* server) { server->front->set_serving(false); }

void gerank_server_stop(GerankServer* server, double grace_s) {
  const std::chrono::duration<double> grace(grace_s);
  server->front->stop(std::chrono::duration_cast<std::chrono::microseconds>(grace));
  if (server->exposures) server->exposures->close();
}

void gerank_server_free(GerankServer* server) {
  delete server;
  gerank::server::Log::of_process().flush(gerank::server::kLastWords);
}
