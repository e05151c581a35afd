// The generator of an artifact on a device other than the CPU.
#pragma once

#include <c10/core/Device.h>
#include <gerank/model.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>
#include <string_view>

#include "../engine/artifact/file_bytes.h"

namespace gerank {

// Why artifacts cannot run on the device, as a rule that the option `device` must keep; empty if
// they can: a CUDA device must be there, and libgerank have its CUDA kernels.
std::string device_rule(const c10::Device& device);

// A scripted module that lies on the device.
std::unique_ptr<const Model> device_generator(const torch::jit::Module& module,
                                              const c10::Device& device);

// A stock generator from its page model, which lies within `file`, by torch's operators. Throws
// c10::Error where the block is none.
std::unique_ptr<const Model> device_generator(ArtifactFile file, std::string_view page,
                                              const c10::Device& device);

}  // namespace gerank
