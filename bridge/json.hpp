// Reading data and parameter values in Stan's JSON format.
#pragma once

#include <stan/io/empty_var_context.hpp>
#include <stan/io/json/json_data.hpp>

#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

namespace bridge {

constexpr int max_nesting = 100;

/// Stan's parser recurses: text that only opens brackets would overflow the stack.
inline void check_nesting(const std::string& json) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_nesting)
        throw std::invalid_argument("the JSON is nested more than " + std::to_string(max_nesting) + " deep");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

/// Values from JSON text; empty text holds none.
inline std::unique_ptr<stan::io::var_context> parse_json(const std::string& json) {
  if (json.empty())
    return std::make_unique<stan::io::empty_var_context>();
  check_nesting(json);
  std::istringstream in(json);
  return std::make_unique<stan::json::json_data>(in);
}

/// Values from a JSON literal; a null pointer holds none.
inline std::unique_ptr<stan::io::var_context> read_json(const char* json) {
  return parse_json(json == nullptr ? "" : json);
}

/// Data from a path that ends in `.json`, or else from a JSON literal.
inline std::unique_ptr<stan::io::var_context> read_data(const char* data) {
  const std::string text = data == nullptr ? "" : data;
  const std::string ending = ".json";
  if (text.size() < ending.size() || text.compare(text.size() - ending.size(), ending.size(), ending) != 0)
    return read_json(data);
  std::ifstream in(text);
  std::ostringstream json;
  json << in.rdbuf();  // fails for a file that cannot be opened, for a folder and for an empty file
  if (!json)
    throw std::invalid_argument("cannot read data from the file '" + text + "'");
  return parse_json(json.str());
}

}  // namespace bridge
