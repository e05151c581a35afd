// What an artifact asks of a request, in a file beside the records of its calls.
#pragma once

#include <string>
#include <string_view>

namespace gerank::exposures {

// contract-VERSION.json, where every byte of the version but letters, digits and "._-" is written
// as %XX.
std::string contract_file_name(std::string_view model_version);

// Writes the file into the folder, whole or not at all; one that is there stays as it is. Returns
// 0, or the errno of what failed.
int write_contract(const std::string& folder, std::string_view model_version,
                   std::string_view contract_json);

}  // namespace gerank::exposures
