// gerank-server: the native front in a process without Python.
//
// Prints "serving VERSION on HOST:PORT". SIGTERM and SIGINT drain it, a second one ends it at once.
// SIGHUP reads the files of TLS and tokens again, loads the artifact again, and swaps it in while
// the old one answers: a file that does not pass its checks is refused, and told.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "listening_address.h"
#include "options/option_table.h"
#include "options/toml_options.h"
#include "server.h"
#include "telling.h"

namespace {

constexpr const char* kName = "default";
using gerank::server::Option;
using gerank::server::OptionValue;
using gerank::server::ServerOptions;

// --max-batch for max_batch.
std::string flag_of(const std::string& name) {
  std::string flag = "--" + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string shown(const OptionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  return std::get<std::string>(value);
}

void print(const Option& option) {
  std::string words;
  for (const std::string& word : option.words) words += (words.empty() ? "" : "|") + word;
  std::string flag = flag_of(option.name), about = option.description;
  const OptionValue standard = option.get({});
  switch (option.kind()) {
    case Option::Kind::kToggle:
      if (!std::get<bool>(standard)) break;
      flag = "--no-" + flag.substr(2);
      about = "not: " + about;
      break;
    case Option::Kind::kNumber:
      flag += " NUMBER";
      about += ", " + std::to_string(option.range.low) + " to " + std::to_string(option.range.high);
      about += " [" + shown(standard) + "]";
      break;
    case Option::Kind::kText:
      flag += " " + (words.empty() ? "TEXT" : words);
      if (!shown(standard).empty()) about += " [" + shown(standard) + "]";
  }
  std::printf("  %-36s %s\n", flag.c_str(), about.c_str());
}

void print_help() {
  std::printf(
      "usage: gerank-server --model FILE [OPTION VALUE]...\n\n"
      "Serves an artifact over gRPC. SIGTERM drains it, SIGHUP loads the file again.\n\n"
      "  --config FILE                        server.toml, whose options have the names below\n"
      "                                       without dashes: max_batch = 64; flags win\n");
  for (const Option& option : gerank::server::option_table()) print(option);
  std::printf("  --version                            print the version and end\n");
  std::printf("  --help                               print this and end\n");
}

// The option that a flag sets: `toggled` becomes the value of one that takes none.
const Option* option_of(const std::string& flag, bool* toggled) {
  for (const Option& option : gerank::server::option_table()) {
    *toggled = flag == flag_of(option.name);
    if (*toggled) return &option;
    const bool is_toggle = option.kind() == Option::Kind::kToggle;
    if (is_toggle && flag == "--no-" + flag_of(option.name).substr(2)) return &option;
  }
  throw std::invalid_argument("unknown option " + flag + "; --help lists them");
}

void throw_unless_ok(const gerank::Status& status) {
  if (!status) throw std::invalid_argument(status.message());
}

// The file first, and what the flags say over it.
ServerOptions read_arguments(int argc, char** argv) {
  ServerOptions options;
  const auto value_of = [argc, argv](int* at) {
    if (*at + 1 == argc)
      throw std::invalid_argument(std::string(argv[*at]) + ": its value is missing");
    return std::string(argv[++*at]);
  };
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) != "--config") continue;
    throw_unless_ok(gerank::server::read_toml_file(value_of(&i), &options));
  }
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--config") {
      ++i;
      continue;
    }
    bool toggled = false;
    const Option* const option = option_of(flag, &toggled);
    throw_unless_ok(option->kind() == Option::Kind::kToggle
                        ? gerank::server::set_option(option->name, toggled, &options)
                        : gerank::server::set_option_text(option->name, value_of(&i), &options));
  }
  if (options.model.empty())
    throw std::invalid_argument("model: which artifact to serve, --model FILE");
  return options;
}

// Nobody need listen to what the server tells: a closed or full stdout or stderr costs the words,
// never a call. Writing there fails, and what cannot be told is not.
void survive_deaf_readers() {
  signal(SIGPIPE, SIG_IGN);
  // A standard stream that was closed before the start must not become somebody's connection.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) == -1) open("/dev/null", O_RDWR);
  }
}

// The signals that steer the server, blocked in every thread that is started later.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Whoever asks twice does not want to wait.
void end_at_the_next_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// A descriptor is a connection; what the system grants beyond the usual is taken.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

class Program {
 public:
  explicit Program(ServerOptions options)
      : options_(std::move(options)),
        address_(gerank::server::parse_listening_address(options_.front.address)) {
    options_.front.address = address_.target;
    const std::string document = gerank::server::to_toml(options_);
    if (gerank_server_start(document.c_str(), &server_, error_, sizeof error_) != 0) {
      throw std::runtime_error(error_);
    }
  }

  ~Program() { gerank_server_free(server_); }

  // Loads the artifact; whether that went well.
  bool load() {
    const char* path = options_.model.c_str();
    if (gerank_server_load(server_, kName, path, error_, sizeof error_) == 0) return true;
    gerank::server::tell(STDERR_FILENO, std::string("error: ") + error_ + "\n");
    return false;
  }

  void tell(const char* event) {
    char version[256];
    gerank_server_version(server_, kName, version, sizeof version);
    const std::string place = address_.with_port(gerank_server_port(server_));
    gerank::server::tell(STDOUT_FILENO, std::string(event) + " " + version + " on " + place + "\n");
  }

  // Until SIGTERM or SIGINT.
  void run_until_signal(const sigset_t& signals) {
    int signal = 0;
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
      gerank_server_reload_credentials(server_);
      if (load()) tell("now serving");
    }
    gerank::server::tell(STDOUT_FILENO, "draining\n");
    end_at_the_next_signal();
    gerank_server_leave(server_);
    std::this_thread::sleep_for(options_.stop.pre_stop_delay);
    gerank_server_stop(server_, double(options_.stop.grace.count()));
  }

 private:
  ServerOptions options_;
  const gerank::server::ListeningAddress address_;
  GerankServer* server_ = nullptr;
  char error_[4096];
};

}  // namespace

int main(int argc, char** argv) try {
  survive_deaf_readers();
  if (argc == 2 && std::string(argv[1]) == "--help") {
    print_help();
    return 0;
  }
  if (argc == 2 && std::string(argv[1]) == "--version") {
    std::printf("gerank-server %s\n", GERANK_VERSION);
    return 0;
  }
  ServerOptions options = read_arguments(argc, argv);
  raise_descriptor_limit();
  const sigset_t signals = block_signals();
  Program program(std::move(options));
  if (!program.load()) return 1;
  program.tell("serving");
  program.run_until_signal(signals);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
