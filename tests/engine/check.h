// The least that a test needs: a list of named tests, and checks that say what differs.
#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct Test {
  std::string name;
  std::function<void()> run;
};

inline std::vector<Test>& all_tests() {
  static std::vector<Test> tests;
  return tests;
}

struct Registration {
  Registration(const char* name, void (*run)()) { all_tests().push_back({name, run}); }
};

// Defines a test; its name states a property.
#define TEST(name)                                          \
  static void name();                                       \
  static const Registration registered_##name(#name, name); \
  static void name()

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

#define EXPECT(condition)                                          \
  do {                                                             \
    if (!(condition)) fail(__FILE__, __LINE__, "not " #condition); \
  } while (false)

template <typename Container>
  requires requires(const Container& all) { all.begin(); }
std::string show(const Container& all) {
  std::ostringstream text;
  text << "[";
  for (const auto& each : all) text << " " << each;
  text << " ]";
  return text.str();
}

inline std::string show(std::string_view text) { return std::string(text); }
inline std::string show(const std::string& text) { return text; }
inline std::string show(const char* text) { return text; }

template <typename Value>
  requires(!requires(const Value& all) { all.begin(); })
std::string show(const Value& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

#define EXPECT_EQUAL(actual, expected)                                              \
  do {                                                                              \
    const auto got = (actual);                                                      \
    const auto want = expected;                                                     \
    if (!(got == want)) {                                                           \
      fail(__FILE__, __LINE__, #actual " is " + show(got) + ", not " + show(want)); \
    }                                                                               \
  } while (false)

#define EXPECT_OK(expression)                                                       \
  do {                                                                              \
    const gerank::Status outcome_ = (expression);                                   \
    if (!outcome_) fail(__FILE__, __LINE__, #expression ": " + outcome_.message()); \
  } while (false)
