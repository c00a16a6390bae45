// The one place where C++ exceptions become messages of the C interface.
#pragma once

#include <cstdlib>
#include <cstring>
#include <exception>

namespace bridge {

inline void report(char** error_msg, const char* message) {
  if (error_msg != nullptr)
    *error_msg = strdup(message);
}

/// Runs `body` and returns its value; when it throws, leaves the message in `*error_msg` and returns `failure`.
/// No exception may cross the C interface, whatever its type.
template <typename Result, typename Body>
Result guarded(char** error_msg, Result failure, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    report(error_msg, error.what());
  } catch (...) {
    report(error_msg, "the Stan program threw something that is not a std::exception");
  }
  return failure;
}

}  // namespace bridge
