// Which artifacts are published, under which names. Knows no threads: its owner holds a lock.
#pragma once

#include <gerank/engine.h>
#include <gerank/status.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "call_queue.h"

namespace gerank {

class Registry {
 public:
  // The model's queue that answers calls of this name and version, which may be empty.
  Status find(std::string_view name, std::string_view version,
              std::shared_ptr<ModelQueue>* model_queue) const;

  // Makes `model_queue` the current one of its name. Returns those that are not published any more:
  // the one with the same version, and, without `keep_old`, the one that was current.
  std::vector<std::shared_ptr<ModelQueue>> publish(std::shared_ptr<ModelQueue> model_queue,
                                                   bool keep_old);

  Status make_current(std::string_view name, std::string_view version);

  // Removes one version, or the whole name if `version` is empty. If the current version is
  // removed, the one published last among the rest becomes current.
  Status retire(std::string_view name, std::string_view version,
                std::vector<std::shared_ptr<ModelQueue>>* removed);

  std::vector<PublishedModel> list() const;

 private:
  // The last one is current.
  using Versions = std::vector<std::shared_ptr<ModelQueue>>;

  std::map<std::string, Versions, std::less<>> names_;
  std::string default_;
};

}  // namespace gerank
