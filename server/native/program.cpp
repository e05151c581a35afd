#include "program.h"

#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "log/log.h"
#include "options/toml_options.h"
#include "server.h"
#include "telling.h"

namespace gerank::server {
namespace {

constexpr std::size_t kErrorBytes = 4096;

// An operator who asks twice does not want to wait.
void end_at_the_next_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// What the server says on start, in one line.
std::string in_one_line(std::string document) {
  for (char& c : document) {
    if (c == '\n') c = ' ';
  }
  return document;
}

}  // namespace

Program::Program(ServerOptions options)
    : options_(std::move(options)),
      address_(parse_listening_address(options_.front.address)),
      log_(Log::of_process()) {
  for (const ModelFile& model : options_.models) sources_.push_back({model, {}});
  options_.front.address = address_.target;
  const std::string document = to_toml(options_), shown = in_one_line(document);
  log_.tell(LogLevel::kInfo, "start", "gerank-server " GERANK_VERSION " starts with " + shown,
            {{"version", GERANK_VERSION}, {"options", shown}});
  char error[kErrorBytes];
  if (gerank_server_start(document.c_str(), &server_, error, sizeof error) != 0) {
    throw std::runtime_error(error);
  }
  const int port = gerank_server_metrics_port(server_);
  if (port == 0) return;
  metrics_place_ = parse_listening_address(options_.metrics_address).with_port(port);
  log_.tell(LogLevel::kInfo, "metrics_listening", "metrics are on " + metrics_place_,
            {{"address", metrics_place_}});
}

Program::~Program() { gerank_server_free(server_); }

void Program::listen() {
  char error[kErrorBytes];
  if (gerank_server_listen(server_, error, sizeof error) != 0) throw std::runtime_error(error);
  const std::string place = address_.with_port(gerank_server_port(server_));
  log_.tell(LogLevel::kInfo, "listening", "listening on " + place, {{"address", place}});
  if (const int port = gerank_server_admin_port(server_); port != 0) {
    admin_place_ = parse_listening_address(options_.admin.address).with_port(port);
    log_.tell(LogLevel::kInfo, "admin_listening", "administrators are served on " + admin_place_,
              {{"address", admin_place_}});
  }
}

bool Program::load() {
  for (Source& source : sources_) {
    if (!load(&source) && &source == sources_.data()) return false;
  }
  return true;
}

// Whether every file that has changed could be loaded; one that could not is tried again each time.
bool Program::reload() {
  bool all_loaded = true;
  for (Source& source : sources_) {
    if (source.stamp != stamp_of(source.model.path)) all_loaded &= load(&source);
  }
  return all_loaded;
}

bool Program::load(Source* source) {
  const auto& [name, path] = source->model;
  const std::string old = version(name);
  const FileStamp stamp = stamp_of(path);  // first: a file that changes meanwhile is loaded again
  char error[kErrorBytes];
  if (gerank_server_load(server_, name.c_str(), path.c_str(), error, sizeof error) != 0) {
    const std::string which = name == kDefaultModel ? "" : "model '" + name + "': ";
    log_.tell(LogLevel::kError, "model_refused", which + error, {{"model", name}, {"path", path}});
    return false;
  }
  source->stamp = stamp;
  const std::string now = version(name), as = "the model " + now + " answers as '" + name + "'";
  if (old.empty()) {
    log_.tell(LogLevel::kInfo, "model_loaded", as,
              {{"model", name}, {"version", now}, {"path", path}});
  } else {
    log_.tell(LogLevel::kInfo, "model_swapped", as + " instead of " + old,
              {{"model", name}, {"version", now}, {"old_version", old}, {"path", path}});
  }
  return true;
}

void Program::tell_of_serving() {
  tell("serving");
  if (!metrics_place_.empty()) server::tell(STDOUT_FILENO, "metrics on " + metrics_place_ + "\n");
  if (!admin_place_.empty()) server::tell(STDOUT_FILENO, "admin on " + admin_place_ + "\n");
  for (const Source& source : sources_) tell_of_precision(source.model.name);
}

// Only where bfloat16 was asked for.
void Program::tell_of_precision(const std::string& model) {
  char precision[32], wanted[32];
  gerank_server_precision(server_, model.c_str(), precision, wanted, sizeof precision);
  if (std::string_view(wanted) != "bfloat16") return;
  const bool is_as_wanted = std::string_view(precision) == wanted;
  server::tell(STDOUT_FILENO,
               "'" + model + "' answers in " + precision +
                   (is_as_wanted ? "\n"
                                 : ": bfloat16 needs a processor with AVX512_BF16, "
                                   "that GERANK_CPU does not forbid, and a native "
                                   "model, which is not asked to run as TorchScript\n"));
}

void Program::run_until_signal(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
    gerank_server_reload_credentials(server_);
    if (reload()) tell("now serving");
  }
  server::tell(STDOUT_FILENO, "draining\n");
  log_.tell(LogLevel::kInfo, "draining", std::string("draining: ") + strsignal(signal),
            {{"signal", strsignal(signal)}});
  end_at_the_next_signal();
  gerank_server_leave(server_);
  std::this_thread::sleep_for(options_.stop.pre_stop_delay);
  gerank_server_stop(server_, double(options_.stop.grace.count()));
  log_.tell(LogLevel::kInfo, "stopped", "no call is open any more");
}

std::string Program::version(const std::string& model) {
  char version[256];
  gerank_server_version(server_, model.c_str(), version, sizeof version);
  return version;
}

void Program::tell(const std::string& event) {
  const std::string place = address_.with_port(gerank_server_port(server_));
  server::tell(STDOUT_FILENO,
               event + " " + version(sources_.front().model.name) + " on " + place + "\n");
}

}  // namespace gerank::server
