#include "server.h"

#include <gerank/engine.h>
#include <gerank/ranker.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "admin/admin_methods.h"
#include "exposures/exposure_log.h"
#include "front.h"
#include "listening_address.h"
#include "log/log.h"
#include "methods/served.h"
#include "metrics/metrics_listener.h"
#include "metrics/model_loads.h"
#include "models/load_thread.h"
#include "models/model_catalog.h"
#include "options/toml_options.h"
#include "ranking_services.h"
#include "routes/route_table.h"

// Each member uses those above it, and goes before them.
struct GerankServer {
  ~GerankServer() {
    // The end of the admin's front stops the loads, and the last load tells the front's loop.
    if (admin) admin->stop(std::chrono::microseconds(0));
    load_thread.reset();
  }

  std::atomic<bool> leaves{false};                            // health says NOT_SERVING for good
  std::unique_ptr<gerank::exposures::ExposureLog> exposures;  // null: none is kept
  std::unique_ptr<gerank::Engine> engine;
  gerank::server::RouteTable routes;
  std::unique_ptr<gerank::server::Front> front;  // ends before the engine
  gerank::server::ModelLoads loads;
  std::unique_ptr<gerank::server::ModelCatalog> catalog;
  std::unique_ptr<gerank::server::LoadThread> load_thread;   // of the admin's
  std::unique_ptr<gerank::server::Front> admin;              // null: none
  std::unique_ptr<gerank::server::MetricsListener> metrics;  // null: none
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

// Tells that the disk refuses the records of calls, or takes them again.
void tell_of_exposures(const gerank::exposures::ExposureStatistics& counts) {
  using gerank::server::LogLevel;
  auto& log = gerank::server::Log::of_process();
  if (counts.refused) {
    log.tell(LogLevel::kError, "exposures_refused",
             counts.last_error + ": records of calls wait, and those that come beyond " +
                 "exposure_queue_bytes are lost",
             {{"reason", counts.last_error}});
    return;
  }
  const std::string lost = std::to_string(counts.lost);
  log.tell(LogLevel::kWarning, "exposures_resumed",
           "records of calls are written again; " + lost + " were lost since the start",
           {{"lost", std::int64_t(counts.lost)}});
}

// Where an option's address lies.
Status locate(const char* option, const std::string& address, std::string* target) try {
  *target = gerank::server::parse_listening_address(address).target;
  return {};
} catch (const std::exception& error) {
  return {gerank::Code::kInvalidArgument, std::string(option) + ": " + error.what()};
}

Status serve_metrics(const std::string& address, GerankServer* server) {
  std::string target;
  if (Status status = locate("metrics_address", address, &target); !status) return status;
  const Status status = gerank::server::MetricsListener::start(
      target,
      {*server->engine, *server->front, server->admin.get(), server->loads, server->routes,
       server->exposures.get()},
      &server->metrics);
  return status ? status : Status(status.code(), "metrics_address: " + status.message());
}

// The admin's front has one thread, and the bounds and certificates of the other one.
Status serve_admin(const gerank::server::ServerOptions& options, GerankServer* server) {
  gerank::server::FrontOptions front = options.front;
  front.prefix = "admin_";
  front.threads = 1;
  front.token_file = options.admin.token_file;
  front.plaintext = options.admin.plaintext;
  if (Status status = locate("admin_address", options.admin.address, &front.address); !status) {
    return status;
  }
  server->load_thread = std::make_unique<gerank::server::LoadThread>(*server->catalog);
  Status status = gerank::server::Front::start(
      front,
      gerank::server::serve_admin(*server->engine, server->routes, *server->catalog,
                                  *server->load_thread),
      &server->admin);
  if (status) server->admin->set_serving(true);
  return status;
}

// Options of the admin's front are of no use without it.
Status check_admin(const gerank::server::AdminOptions& options) {
  if (!options.address.empty() || (options.token_file.empty() && !options.plaintext)) return {};
  return Status::invalid("admin_address", "none",
                         options.plaintext ? "must be given with admin_plaintext"
                                           : "must be given with admin_token_file");
}

void start_catalog(GerankServer* server) {
  server->catalog =
      std::make_unique<gerank::server::ModelCatalog>(gerank::server::ModelCatalog::Parts{
          *server->engine, server->routes, server->loads, server->exposures.get(), [server] {
            if (!server->leaves) server->front->set_serving(true);
          }});
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
    status = gerank::exposures::ExposureLog::start(read.exposures, &started->exposures,
                                                   tell_of_exposures);
    if (!status.ok()) return tell(status, error, error_size);
  }
  status = gerank::server::Front::start(
      read.front,
      gerank::server::serve_ranking(*started->engine, started->routes, started->exposures.get()),
      &started->front);
  if (!status.ok()) return tell(status, error, error_size);
  start_catalog(started.get());
  status = check_admin(read.admin);
  if (status && !read.admin.address.empty()) status = serve_admin(read, started.get());
  if (!status.ok()) return tell(status, error, error_size);
  if (!read.metrics_address.empty()) status = serve_metrics(read.metrics_address, started.get());
  if (!status.ok()) return tell(status, error, error_size);
  *server = started.release();
  return 0;
}

int gerank_server_listen(GerankServer* server, char* error, std::size_t error_size) {
  // The callers' port comes last: nobody is taken by a server that cannot start.
  Status status;
  if (server->admin) status = server->admin->listen();
  if (status) status = server->front->listen();
  return tell(status, error, error_size);
}

int gerank_server_port(const GerankServer* server) { return server->front->port(); }

int gerank_server_metrics_port(const GerankServer* server) {
  return server->metrics ? server->metrics->port() : 0;
}

int gerank_server_admin_port(const GerankServer* server) {
  return server->admin ? server->admin->port() : 0;
}

int gerank_server_load(GerankServer* server, const char* name, const char* path, char* error,
                       std::size_t error_size) {
  gerank::server::LoadOrder order;
  order.name = name;
  order.path = path;
  order.allow_breaking_contract = true;
  return tell(server->catalog->load(order).status, error, error_size);
}

void gerank_server_version(const GerankServer* server, const char* name, char* version,
                           std::size_t version_size) {
  const auto ranker = server->engine->find(name);
  copy(ranker ? ranker->model_version() : "", version, version_size);
}

void gerank_server_precision(const GerankServer* server, const char* name, char* precision,
                             char* wanted, std::size_t size) {
  const auto ranker = server->engine->find(name);
  copy(std::string(ranker ? ranker->precision() : ""), precision, size);
  copy(std::string(ranker ? ranker->wanted_precision() : ""), wanted, size);
}

bool gerank_server_exposures(const GerankServer* server, GerankServerExposures* exposures,
                             char* error, std::size_t error_size) {
  if (!server->exposures) return false;
  const gerank::exposures::ExposureStatistics counts = server->exposures->statistics();
  *exposures = {counts.written, counts.lost, counts.bytes, counts.files, counts.refused};
  copy(counts.last_error, error, error_size);
  return true;
}

void gerank_server_reload_credentials(GerankServer* server) {
  server->front->reload_credentials();
  if (server->admin) server->admin->reload_credentials();
}

void gerank_server_leave(GerankServer* server) {
  server->leaves = true;
  server->front->set_serving(false);
}

void gerank_server_stop(GerankServer* server, double grace_s) {
  const std::chrono::duration<double> grace(grace_s);
  server->leaves = true;
  if (server->admin) server->admin->stop(std::chrono::microseconds(0));
  server->routes.close();
  server->front->stop(std::chrono::duration_cast<std::chrono::microseconds>(grace));
  if (server->exposures) server->exposures->close();
}

void gerank_server_free(GerankServer* server) {
  delete server;
  gerank::server::Log::of_process().flush(gerank::server::kLastWords);
}
