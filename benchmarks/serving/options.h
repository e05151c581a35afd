// `--name value` pairs of a benchmark program.
#pragma once

#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

namespace serving {

// The options of one command line. Throws std::invalid_argument for a word that is no option and
// for a number that is none.
class Options {
 public:
  Options(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      if (name.rfind("--", 0) != 0 || i + 1 == argc) {
        throw std::invalid_argument("expected --name value, got " + name);
      }
      values_[name.substr(2)] = argv[i + 1];
    }
  }

  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }

  double number(const std::string& name, double otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : std::stod(found->second);
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace serving
