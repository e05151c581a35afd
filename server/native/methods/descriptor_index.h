// The protos of the services that are served, and what is declared in them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gerank::server {

// Views of a serialized google.protobuf.FileDescriptorSet, which must live as long.
class DescriptorIndex {
 public:
  struct File {
    std::string_view name, package;
    std::string_view bytes;  // its FileDescriptorProto
    std::vector<std::string_view> dependencies;
  };

  explicit DescriptorIndex(std::string_view set);

  // Null where there is none.
  const File* by_name(std::string_view name) const;

  // The file that declares a service, a method, a message, a field, an enumeration or one of its
  // values by its full name.
  const File* by_symbol(std::string_view symbol) const;

  // A file and all that it imports, each once.
  std::vector<const File*> with_imports(const File& file) const;

 private:
  std::vector<File> files_;
  std::map<std::string, const File*, std::less<>> names_, symbols_;
};

// The index of the protos that this library was built with.
const DescriptorIndex& served_descriptors();

}  // namespace gerank::server
