// The models of a server: which artifacts are published, from where, and which of them answer.
#pragma once

#include <gerank/engine.h>
#include <gerank/status.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../metrics/model_loads.h"
#include "../net/option_file.h"
#include "../routes/route_table.h"
#include "exposures/exposure_log.h"
#include "model_order.h"

namespace gerank::server {

// One published version, as the administrator sees it.
struct ListedModel {
  PublishedModel published;
  std::string path;
  std::int64_t loaded_us = 0;  // since 1970
  std::vector<ArmOrder> arms;  // of the split of its name that it is in
};

// The last load of a name, where it was refused.
struct RefusedLoad {
  std::string name, path, error;
  std::int64_t time_us = 0;  // since 1970
};

// Thread-safe. Loads wait for each other; nothing else waits for a load.
//
// Every change of the engine's models goes through here. Where a method takes a name, an empty one
// is the model of calls that name none: the first that was loaded, which is never retired.
class ModelCatalog {
 public:
  // All must outlive the catalog. `exposures` may be null. `loaded` is called after each load.
  struct Parts {
    Engine& engine;
    RouteTable& routes;
    ModelLoads& loads;
    exposures::ExposureLog* exposures;
    std::function<void()> loaded;
  };

  explicit ModelCatalog(Parts parts) : parts_(std::move(parts)) {}

  // Loads, checks and warms an artifact, and lets it answer. What was current before goes, unless
  // the order keeps it or a split names it.
  //
  // kFailedPrecondition, beside what Ranker::load says: the artifact would refuse today's callers,
  // and the order does not allow it; there is no current version to keep; or the version is
  // published already from another file, and is in a split, is not the current one, or is to be
  // kept. All else as Engine::publish. Nothing has changed then.
  LoadOutcome load(const LoadOrder& order);

  // Makes a published version current; without a version, the one that was current before. Tells
  // which was, and what calls of today the version would refuse, which it is made current for all
  // the same. kNotFound: there is no such name or version.
  Status make_current(const std::string& name, const std::string& version, LoadOutcome* outcome);

  // Removes a version, or without one the name. kFailedPrecondition for the current version, one
  // that a split names, and the model of calls that name none.
  Status retire(const std::string& name, const std::string& version);

  // Sends the calls that name the model and no version to these versions, by weight; no arms: to
  // the current one. Returns when every thread goes by it. kNotFound: no such name or version;
  // kFailedPrecondition: a load exchanges the file of one now.
  Status set_split(const std::string& name, const std::vector<ArmOrder>& arms);

  std::vector<ListedModel> models() const;
  std::vector<RefusedLoad> refused_loads() const;

 private:
  struct Source {
    std::string path;
    FileStamp stamp;  // as it was when it was read
    std::int64_t loaded_us = 0;
  };

  void load_under_lock(const LoadOrder& order, LoadOutcome* outcome);
  Status publish(const LoadOrder& order, const FileStamp& stamp,
                 std::shared_ptr<const Ranker> ranker, LoadOutcome* outcome);
  Status check_exchange(const LoadOrder& order, const FileStamp& stamp, const LoadOutcome& outcome);
  void settle(const LoadOrder& order, bool was_published, LoadOutcome* outcome);
  void tell(const LoadOrder& order, const LoadOutcome& outcome);
  std::string named(const std::string& name) const;
  std::vector<std::string> versions_of(const std::string& name) const;
  Status no_version(const std::string& name, const std::string& version) const;
  bool is_in_split(const std::string& name, const std::string& version) const;
  void update_route(const std::string& name);

  const Parts parts_;
  std::mutex loading_;        // one load at a time
  mutable std::mutex mutex_;  // of what follows; for moments only
  std::map<std::string, std::vector<ArmOrder>> splits_;
  std::map<std::string, std::string> held_;  // the current version, while a load keeps it
  std::map<std::pair<std::string, std::string>, Source> sources_;  // by name and version
  std::pair<std::string, std::string> exchanged_;  // whose file a load exchanges now
  std::map<std::string, RefusedLoad> refused_;
};

}  // namespace gerank::server
