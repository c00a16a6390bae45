// Where the output of a Stan program's print statements goes.
#pragma once

#include <cstddef>
#include <cstdio>
#include <mutex>
#include <ostream>
#include <streambuf>
#include <string>

namespace bridge {

using print_callback = void (*)(const char* data, std::size_t size);

/// The callback of the whole library, and the mutex that lets it be called by one thread at a time.
class printer {
 public:
  static void set_callback(print_callback callback) {
    std::lock_guard<std::mutex> lock(instance().mutex_);
    instance().callback_ = callback;
  }

  static void print(const std::string& text) {
    std::lock_guard<std::mutex> lock(instance().mutex_);
    if (instance().callback_ != nullptr) {
      instance().callback_(text.data(), text.size());
    } else {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
  }

 private:
  static printer& instance() {
    static printer the_printer;
    return the_printer;
  }

  std::mutex mutex_;
  print_callback callback_ = nullptr;
};

/// Collects text and hands it to the printer at each flush. Stan ends every print statement with std::endl, so
/// that the lines of several threads do not mix, and a line appears before the statement after it can crash.
class print_buffer final : public std::streambuf {
 public:
  bool empty() const { return text_.empty(); }

 protected:
  int_type overflow(int_type character) override {
    if (!traits_type::eq_int_type(character, traits_type::eof()))
      text_.push_back(traits_type::to_char_type(character));
    return traits_type::not_eof(character);
  }

  std::streamsize xsputn(const char* data, std::streamsize size) override {
    text_.append(data, static_cast<std::size_t>(size));
    return size;
  }

  int sync() override {
    if (!text_.empty()) {
      printer::print(text_);
      text_.clear();
    }
    return 0;
  }

 private:
  std::string text_;
};

/// One thread's stream for printing. It outlives the calls: constructing a std::ostream takes longer than evaluating
/// a small model.
class print_stream {
 public:
  std::ostream* get() { return &stream_; }

  /// Hands over what was written without a flush.
  void finish() {
    if (!buffer_.empty())
      stream_.flush();
  }

 private:
  print_buffer buffer_;
  std::ostream stream_{&buffer_};
};

}  // namespace bridge
