#include "request_fields.h"

#include "protobuf_reader.h"

// The numbers of fields are those of protos/gerank/v1/rerank.proto.

namespace gerank::wire {
namespace {

// Each of these reads the field of that number, if `in` stands before it and its wire type fits.

template <typename Value, typename Target>
bool read_value(FieldReader& in, std::uint32_t tag, Value (FieldReader::*value)(), Target* target) {
  if (in.tag() != tag) return false;
  *target = (in.*value)();
  return true;
}

bool read_text(FieldReader& in, std::uint32_t field, std::string_view* text) {
  return read_value(in, bytes_tag(field), &FieldReader::text, text);
}

bool read_bytes(FieldReader& in, std::uint32_t field, std::string_view* bytes) {
  return read_value(in, bytes_tag(field), &FieldReader::bytes, bytes);
}

template <typename Number>
bool read_int32(FieldReader& in, std::uint32_t field, Number* number) {
  return read_value(in, varint_tag(field), &FieldReader::int32, number);
}

template <typename Number>
bool read_double(FieldReader& in, std::uint32_t field, Number* number) {
  return read_value(in, fixed64_tag(field), &FieldReader::fixed<double>, number);
}

// Goes through a message: `read` reads the field before which `in` stands, or returns false.
template <typename Read>
void each(FieldReader& in, const Read& read) {
  while (in.next()) {
    if (!read()) in.skip();
  }
}

// Reads one message and those in it, to the end.
class MessageReader {
 public:
  MessageReader(Arena& arena, NameMemo& memo) : arena_(arena), memo_(memo) {}

  void read(FieldReader& in, RequestFields* request) {
    each(in, [&] {
      return read_element(in, 1, &request->queries) || read_text(in, 2, &request->model) ||
             read_text(in, 3, &request->version);
    });
  }

  void read(FieldReader& in, QueryFields* fields) {
    Query& query = fields->query;
    each(in, [&] {
      return read_text(in, 1, &fields->id) || read_int32(in, 2, &query.candidate_count) ||
             read_element(in, 3, &fields->user_features) ||
             read_element(in, 4, &fields->candidate_features) ||
             read_name(in, 5, &fields->candidate_ids) || read_int32(in, 6, &query.slots) ||
             read_element(in, 7, &fields->pins) || read_merged(in, 8, &fields->dedup_keys) ||
             read_element(in, 9, &fields->spacing) || read_element(in, 10, &fields->quotas) ||
             read_element(in, 11, &fields->weights) ||
             read_value(in, varint_tag(12), &FieldReader::varint, &query.seed) ||
             read_int32(in, 13, &fields->mode) || read_double(in, 14, &query.temperature) ||
             read_text(in, 15, &query.preset) || read_merged(in, 16, &fields->above);
    });
  }

  void read(FieldReader& in, BlockFields* block) {
    const std::string_view bytes = in.rest();
    const bool known = read_known_names(in, block);
    const std::size_t count = block->names.size();
    each(in, [&] {
      return read_name(in, 1, &block->names) || read_bytes(in, 2, &block->float32_le) ||
             read_bytes(in, 3, &block->int64_le) ||
             read_numbers(in, 4, fixed32_tag(4), &block->floats, &FieldReader::fixed<float>) ||
             read_numbers(in, 5, varint_tag(5), &block->ints, &FieldReader::varint);
    });
    if (block->names.size() > count) block->names_id = 0;  // more names than the list of that id
    if (!known && in.ok()) memo_.keep(bytes);
  }

  void read(FieldReader& in, DedupFields* keys) {
    each(in, [&] {
      return read_bytes(in, 1, &keys->int64_le) ||
             read_numbers(in, 2, varint_tag(2), &keys->ints, &FieldReader::varint) ||
             read_numbers(in, 3, varint_tag(3), &keys->present, &FieldReader::varint);
    });
  }

  void read(FieldReader& in, AboveFields* above) {
    each(in, [&] {
      return read_int32(in, 1, &above->count) || read_element(in, 2, &above->features) ||
             read_merged(in, 3, &above->dedup_keys);
    });
  }

  void read(FieldReader& in, Pin* pin) {
    each(in, [&] { return read_int32(in, 1, &pin->slot) || read_int32(in, 2, &pin->candidate); });
  }

  void read(FieldReader& in, Spacing* rule) {
    each(in, [&] {
      return read_text(in, 1, &rule->group) || read_int32(in, 2, &rule->window) ||
             read_int32(in, 3, &rule->cap);
    });
  }

  void read(FieldReader& in, Quota* rule) {
    each(in, [&] {
      return read_text(in, 1, &rule->flag) || read_int32(in, 2, &rule->min) ||
             read_int32(in, 3, &rule->max);
    });
  }

  // An entry of a map is a message of key and value.
  void read(FieldReader& in, Weight* weight) {
    each(in,
         [&] { return read_text(in, 1, &weight->utility) || read_double(in, 2, &weight->value); });
  }

 private:
  template <typename Elements>
  bool read_element(FieldReader& in, std::uint32_t field, Elements* list) {
    if (in.tag() != bytes_tag(field)) return false;
    typename Elements::Element element{};
    in.message([&](FieldReader& message) { read(message, &element); });
    list->push(arena_, element);
    return true;
  }

  // A message that comes twice is one, whose fields come in two parts.
  template <typename Fields>
  bool read_merged(FieldReader& in, std::uint32_t field, std::optional<Fields>* fields) {
    if (in.tag() != bytes_tag(field)) return false;
    if (!*fields) fields->emplace();
    in.message([&](FieldReader& message) { read(message, &**fields); });
    return true;
  }

  bool read_name(FieldReader& in, std::uint32_t field, List<std::string_view>* names) {
    std::string_view name;
    if (!read_text(in, field, &name)) return false;
    names->push(arena_, name);
    return true;
  }

  // Reads a repeated field in its packed form, or an element of it that stands alone.
  template <typename Number, typename Value>
  bool read_numbers(FieldReader& in, std::uint32_t field, std::uint32_t alone, List<Number>* list,
                    Value (FieldReader::*value)()) {
    const auto push = [&](FieldReader& from) { list->push(arena_, Number((from.*value)())); };
    if (in.tag() == bytes_tag(field)) {
      in.packed(push);
    } else if (in.tag() == alone) {
      push(in);
    } else {
      return false;
    }
    return true;
  }

  bool read_known_names(FieldReader& in, BlockFields* block) {
    const std::string_view bytes = in.rest();
    const NameList* const known = memo_.find(bytes);
    if (known == nullptr) return false;
    for (const auto& [first, size] : known->places) {
      block->names.push(arena_, bytes.substr(first, size));
    }
    block->names_id = known->id;
    in.pass(known->bytes.size());
    return true;
  }

  Arena& arena_;
  NameMemo& memo_;
};

}  // namespace

bool read_fields(std::string_view bytes, Arena& arena, NameMemo& memo, RequestFields* request) {
  FieldReader in(bytes);
  MessageReader(arena, memo).read(in, request);
  return in.ok();
}

}  // namespace gerank::wire
