// What gerank-server does between its start and its end, and what it says of it.
#pragma once

#include <signal.h>

#include <string>
#include <vector>

#include "listening_address.h"
#include "net/option_file.h"
#include "options/server_options.h"

struct GerankServer;

namespace gerank::server {

class Log;

class Program {
 public:
  // Starts the engine and the metrics. Throws std::runtime_error, whose message says why it cannot.
  explicit Program(ServerOptions options);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Loads the artifacts; whether the first one was, which answers calls that name no model. The
  // others are told where they cannot be, and the rest serves.
  bool load();

  // Takes callers from now on: to be called when a model answers. Throws std::runtime_error where
  // the address cannot be had.
  void listen();

  // Says on standard output that it serves, and where.
  void tell_of_serving();

  // Serves until SIGTERM or SIGINT, and drains. SIGHUP loads the files that have changed.
  void run_until_signal(const sigset_t& signals);

 private:
  // A model's file, as it was when it was loaded last.
  struct Source {
    ModelFile model;
    FileStamp stamp;
  };

  bool load(Source* source);
  bool reload();
  std::string version(const std::string& model);
  void tell(const std::string& event);
  void tell_of_precision(const std::string& model);

  ServerOptions options_;
  const ListeningAddress address_;
  Log& log_;
  std::vector<Source> sources_;
  std::string metrics_place_;  // where the metrics are; empty: nowhere
  std::string admin_place_;
  GerankServer* server_ = nullptr;
};

}  // namespace gerank::server
