# Writes SOURCE, which holds the content of the file BYTES: see methods/descriptor_set.h.
file(READ "${BYTES}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${SOURCE}" "#include \"descriptor_set.h\"

namespace gerank::server {
namespace {

constexpr unsigned char kBytes[] = {${bytes}};

}  // namespace

std::string_view served_descriptor_set() {
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

}  // namespace gerank::server
")
