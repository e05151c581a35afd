#include "contract_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace gerank::exposures {
namespace {

bool is_plain(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

int write_file(const std::string& path, std::string_view content) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return errno;
  int error = 0;
  while (!content.empty() && error == 0) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written > 0) content.remove_prefix(std::size_t(written));
    if (written <= 0 && errno != EINTR) error = written < 0 ? errno : EIO;
  }
  ::close(descriptor);
  return error;
}

}  // namespace

std::string contract_file_name(std::string_view model_version) {
  std::string name = "contract-";
  for (const char byte : model_version) {
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", unsigned(std::uint8_t(byte)));
    name += is_plain(byte) ? std::string(1, byte) : escaped;
  }
  return name + ".json";
}

int write_contract(const std::string& folder, std::string_view model_version,
                   std::string_view contract_json) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const std::string path = folder + "/" + contract_file_name(model_version);
  if (std::filesystem::exists(path, ignored)) return 0;
  const std::string draft = path + "." + std::to_string(getpid()) + ".part";
  int error = write_file(draft, contract_json);
  if (error == 0 && std::rename(draft.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) ::unlink(draft.c_str());
  return error;
}

}  // namespace gerank::exposures
