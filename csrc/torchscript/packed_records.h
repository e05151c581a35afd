// The records of an archive as torch writes it, with packed code: artifacts of format 1.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>
#include <gerank/status.h>

#include <map>
#include <memory>
#include <string>

#include "../engine/artifact/file_bytes.h"

namespace gerank {

// The file as torch reads it; shares in it.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> torch_file(const ArtifactFile& file);

Status unpack_records(const ArtifactFile& file,
                      std::map<std::string, std::string, std::less<>>* records);

}  // namespace gerank
