// Which method a path names.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "method.h"

namespace gerank::server {

class MethodTable {
 public:
  // `path` as HTTP/2 has it: /package.Service/Method. The method must outlive the table.
  void add(std::string path, Method& method) { methods_.emplace_back(std::move(path), &method); }

  // Calls `each` with every path and its method.
  template <typename Each>
  void for_each(const Each& each) const {
    for (const auto& [path, method] : methods_) each(path, *method);
  }

  // Null where there is none.
  Method* find(std::string_view path) const {
    for (const auto& [known, method] : methods_) {
      if (known == path) return method;
    }
    return nullptr;
  }

 private:
  std::vector<std::pair<std::string, Method*>> methods_;  // a handful, the frequent ones first
};

}  // namespace gerank::server
