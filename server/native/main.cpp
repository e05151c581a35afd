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
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "listening_address.h"
#include "number_options.h"
#include "server.h"
#include "telling.h"

namespace {

constexpr const char* kName = "default";
constexpr const char* kAddress = "127.0.0.1:50051";

// The options that are files, and how the help tells of them.
struct FileOption {
  const char* flag;
  const char* GerankServerOptions::* field;
  const char* description;
};

constexpr FileOption kFileOptions[] = {
    {"--tls-certificate", &GerankServerOptions::tls_certificate,
     "the server's certificate chain, PEM: serves TLS alone"},
    {"--tls-key", &GerankServerOptions::tls_key, "its private key, PEM"},
    {"--tls-client-ca", &GerankServerOptions::tls_client_ca,
     "whose certificates clients must show, PEM"},
    {"--token-file", &GerankServerOptions::token_file,
     "bearer tokens, one per line: every call but those of health needs one"},
};

struct Arguments {
  std::string model;
  gerank::server::ListeningAddress address = gerank::server::parse_listening_address(kAddress);
  GerankServerOptions numbers{};
  gerank::server::StopOptions stop;
};

using gerank::server::kNumberOptions;
using gerank::server::kStopOptions;

// --max-batch for max_batch.
std::string flag_of(const char* name) {
  std::string flag = std::string("--") + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::int64_t to_number(const std::string& flag, const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end) return value;
  if (error == std::errc::result_out_of_range) {
    throw std::invalid_argument(flag + ": must be a 64-bit integer, got '" + text + "'");
  }
  throw std::invalid_argument(flag + ": must be an integer, got '" + text + "'");
}

std::int64_t to_ignore(const std::string& flag, const std::string& text) {
  if (text == "ignore" || text == "refuse") return text == "ignore";
  throw std::invalid_argument(flag + ": must be ignore or refuse, got '" + text + "'");
}

// Whether the flag is that of a file, which then is set to `value`, of the program's arguments.
bool take_file(const std::string& flag, const char* value, GerankServerOptions* options) {
  for (const FileOption& option : kFileOptions) {
    if (flag != option.flag) continue;
    if (*value == 0) throw std::invalid_argument(flag + ": must be a file, got ''");
    options->*option.field = value;
    return true;
  }
  return false;
}

template <typename Known, typename Options>
void print_numbers(const Known& known, const Options& defaults) {
  for (const auto& option : known) {
    std::printf("  %-28s %s, %lld to %lld [%lld]\n", flag_of(option.name).c_str(),
                option.description, static_cast<long long>(option.range.low),
                static_cast<long long>(option.range.high),
                static_cast<long long>(defaults.*option.field));
  }
}

// Whether the flag is that of a number, which then is set.
template <typename Known, typename Options>
bool take_number(const Known& known, const std::string& flag, const std::string& value,
                 Options* options) {
  for (const auto& option : known) {
    if (flag_of(option.name) != flag) continue;
    options->*option.field = to_number(flag, value);
    return true;
  }
  return false;
}

void print_help() {
  GerankServerOptions numbers{};
  gerank_server_defaults(&numbers);
  std::printf(
      "usage: gerank-server --model FILE [--address ADDRESS] [OPTION NUMBER]...\n\n"
      "Serves an artifact over gRPC. SIGTERM drains it, SIGHUP loads the file again.\n\n"
      "  --model FILE                 the artifact\n"
      "  --address ADDRESS            host:port, [IPv6]:port or unix:path; port 0: any [%s]\n",
      kAddress);
  print_numbers(kNumberOptions, numbers);
  print_numbers(kStopOptions, gerank::server::StopOptions{});
  for (const FileOption& option : kFileOptions) {
    std::printf("  %-28s %s\n", (std::string(option.flag) + " FILE").c_str(), option.description);
  }
  std::printf(
      "  --plaintext                  serve without TLS where other machines can reach it\n");
  std::printf(
      "  --unknown-features WORD      ignore or refuse those that the model lacks [refuse]\n");
  std::printf("  --version                    print the version and end\n");
  std::printf("  --help                       print this and end\n");
}

Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  GerankServerOptions& numbers = arguments.numbers;
  gerank_server_defaults(&numbers);
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--plaintext") {
      numbers.plaintext = 1;
      --i;  // it has no value
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument(option + ": its value is missing");
    const std::string value = argv[i + 1];
    if (option == "--model") {
      arguments.model = value;
    } else if (option == "--address") {
      arguments.address = gerank::server::parse_listening_address(value);
    } else if (option == "--unknown-features") {
      numbers.ignore_unknown_features = to_ignore(option, value);
    } else if (!take_file(option, argv[i + 1], &numbers) &&
               !take_number(kNumberOptions, option, value, &numbers) &&
               !take_number(kStopOptions, option, value, &arguments.stop)) {
      throw std::invalid_argument("unknown option " + option + "; --help lists them");
    }
  }
  for (const auto& option : kStopOptions) {  // the others are the server's to check
    const gerank::Status status = option.range.check(option.name, arguments.stop.*option.field);
    if (!status) throw std::invalid_argument(status.message());
  }
  if (arguments.model.empty()) throw std::invalid_argument("--model: which artifact to serve");
  return arguments;
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
  explicit Program(const Arguments& arguments) : arguments_(arguments) {
    GerankServerOptions options = arguments.numbers;
    options.address = arguments.address.target.c_str();
    if (gerank_server_start(&options, &server_, error_, sizeof error_) != 0) {
      throw std::runtime_error(error_);
    }
  }

  ~Program() { gerank_server_free(server_); }

  // Loads the artifact; whether that went well.
  bool load() {
    const char* path = arguments_.model.c_str();
    if (gerank_server_load(server_, kName, path, error_, sizeof error_) == 0) return true;
    gerank::server::tell(STDERR_FILENO, std::string("error: ") + error_ + "\n");
    return false;
  }

  void tell(const char* event) {
    char version[256];
    gerank_server_version(server_, kName, version, sizeof version);
    const std::string place = arguments_.address.with_port(gerank_server_port(server_));
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
    std::this_thread::sleep_for(std::chrono::seconds(arguments_.stop.pre_stop_delay_s));
    gerank_server_stop(server_, double(arguments_.stop.grace_s));
  }

 private:
  const Arguments& arguments_;
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
  const Arguments arguments = read_arguments(argc, argv);
  raise_descriptor_limit();
  const sigset_t signals = block_signals();
  Program program(arguments);
  if (!program.load()) return 1;
  program.tell("serving");
  program.run_until_signal(signals);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
