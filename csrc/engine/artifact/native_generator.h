// The generator of a stock artifact: its page in one native pass, without torch.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>
#include <gerank/ranker.h>

#include <memory>
#include <string_view>

#include "../../page/page_model.h"
#include "file_bytes.h"

namespace gerank {

// The page at a multiple of 64 bytes: as it lies in `file`, or a copy, which takes the place of
// `file`. An archive that another program has packed again need not have its records aligned.
std::string_view aligned_page(std::string_view page, ArtifactFile* file);

// The page model in an aligned page. Throws Refusal where the block is malformed or does not fit
// the contract.
page::PageModel check_page(std::string_view page, const Contract& contract);

// `page` is the block of csrc/page/page_format.h, and lies within `file`. bfloat16 needs
// page::Bfloat16Weights::can_be_used(); any other precision is float32. Throws Refusal where the
// block is malformed or does not fit the contract.
std::unique_ptr<const Model> native_generator(ArtifactFile file, std::string_view page,
                                              const Contract& contract, Precision precision);

}  // namespace gerank
